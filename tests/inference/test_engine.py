import pytest
from dressform.inference import engine


@pytest.mark.parametrize("name", engine.ENGINES)
def test_every_engine_of_the_table_loads(name):
    assert callable(engine.load(name).run)


def test_an_unknown_engine_names_the_known_ones():
    with pytest.raises(ValueError, match=r"engine must be one of warp, got 'magic'. Choose"):
        engine.load("magic")
