"""Known training images and a preset go in; trained networks and a log come out.

Read `steps.py` for one step, `objectives.py` for eq. 2 and 3, `loop.py` for the loop around them and
`run.py` for what it changes.
"""
