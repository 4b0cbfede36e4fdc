"""Before any unknown image is seen: what the parts of the decision are worth, and what it will catch.

Each known class is taken for unknown in turn: what the others say of it is what such unknowns will meet.
`folds` does so on embeddings, `weights` finds what each part counts for, `catch` estimates what is caught.
"""
