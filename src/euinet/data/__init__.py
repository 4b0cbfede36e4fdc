"""Where images come from, and who may see them: `sets` load, `split` holds classes out, `far` is far away.

`embedded` has the features of images in their place, `tables` reads embeddings that came as such.

What enters: a data set's name or a folder of images, and the classes to hold out. What leaves: a `Dataset`
and then a `Split`, whose train, validation and calibration parts are disjoint and hold known classes only,
and whose test part holds everything, unknown classes under negative labels. Images: uint8 (N, C, H, W).
"""
