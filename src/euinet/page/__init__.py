"""The page: a model and a browser go in; drawings, answers and the reasons for them come out.

`front/` is the page itself, plain files without a build step; `front_files` hands them to the server.
`write_page` writes them with the decision file as a folder that needs no server program of ours.
"""
