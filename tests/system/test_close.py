from euinet.system.close import did_you_mean


def test_the_nearest_name_is_given_as_it_is_spelled() -> None:
    known = ("MaxLogit", "maximum logit", "resnext50_32x4d")
    assert did_you_mean(" RESNEXT50-32x4", known) == " Did you mean 'resnext50_32x4d'?"
    assert did_you_mean("maximum_logits", known) == " Did you mean 'maximum logit'?"
    assert did_you_mean("xyzzy", known) == did_you_mean("", known) == ""
