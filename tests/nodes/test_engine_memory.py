"""The engines in ComfyUI's own list of loaded models."""

import pytest


class Loaded:
    closed = False

    def close(self):
        self.closed = True


@pytest.fixture
def lent(nodes):
    from dressform.inference import residency
    from dressform.nodes import memory

    residency.WARM.evict_all()
    before, residency.WARM.limit_bytes = residency.WARM.limit_bytes, 10**9
    loaded = Loaded()
    with residency.WARM.lease("engine", lambda: loaded, 10**6):
        pass
    memory.show_engines()
    yield loaded
    residency.WARM.evict_all()
    residency.WARM.limit_bytes = before


def test_unload_models_evicts_the_engines(lent):
    from comfy import model_management

    assert not lent.closed
    model_management.unload_all_models()
    assert lent.closed
    assert model_management.current_loaded_models == []


def test_engines_stand_in_the_list_once(lent):
    from comfy import model_management
    from dressform.nodes import memory

    memory.show_engines()
    [entry] = model_management.current_loaded_models
    assert entry.model_loaded_memory() == 10**6
    model_management.unload_all_models()
