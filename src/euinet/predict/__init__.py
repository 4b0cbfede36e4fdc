"""A user's images go in, of any kind and number; rows come out: a label or "none of these" for each.

`blocks` has a batch of images with its answers, `rows` and `sinks` write what was answered, `drift` asks
whether the world is still as it was. `run` does all in order; `to_file` and `parts` keep what is finished, so
that a job that is killed goes on; `ray_engine` shares the parts out.
"""
