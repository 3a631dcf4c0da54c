"""All ways to run a network return the right answers."""

from pathlib import Path

import keras
import numpy as np
import openvino
import pytest

from model.network.engine import Engine, Run, engine_of, n_cores
from model.network.keras_import import import_keras


def network_of(tiny_models: Path) -> keras.Model:
    return import_keras().saving.load_model(tiny_models / "xception.keras")


def runs_of(engine: Engine) -> list[Run]:
    return [engine.alone, *engine.beside]


def test_every_way_to_run_gives_what_keras_predicts(tiny_models: Path) -> None:
    inputs = np.random.default_rng(0).integers(0, 255, (5, 32, 32, 1)).astype(np.float32)
    expected = network_of(tiny_models).predict(inputs, verbose=0)
    for run in runs_of(engine_of(network_of(tiny_models))):
        # Keras itself uses bfloat16 if the processor supports it: three digits.
        np.testing.assert_allclose(np.concatenate([run(one[None])[0] for one in inputs]), expected, atol=2e-3)


def test_outputs_of_a_pass_outlive_the_next_one(tiny_models: Path) -> None:
    dark, bright = np.zeros((1, 32, 32, 1), np.float32), np.full((1, 32, 32, 1), 255, np.float32)
    for run in runs_of(engine_of(network_of(tiny_models))):
        (first,) = run(dark)
        kept = first.copy()
        run(bright)
        np.testing.assert_array_equal(first, kept)


def test_engine_has_ways_to_run_for_every_core_but_lets_two_cores_share_each_pass(tiny_models: Path) -> None:
    n_streams = n_cores() if n_cores() > 2 else 1
    assert len(engine_of(network_of(tiny_models)).beside) == 2 * n_streams


def test_engine_that_shall_save_memory_has_one_way_to_run(tiny_models: Path) -> None:
    assert engine_of(network_of(tiny_models), has_beside=False).beside == ()


def test_every_way_computes_in_single_precision_on_as_many_threads_as_asked_for(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled, compile_model = [], openvino.compile_model

    def noting(*arguments: object) -> openvino.CompiledModel:
        compiled.append(compile_model(*arguments))
        return compiled[-1]

    monkeypatch.setattr(openvino, "compile_model", noting)
    engine_of(network_of(tiny_models), n_threads=1)
    assert len(compiled) == 1 + (n_cores() > 2)
    for model in compiled:
        assert model.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
        assert model.get_property("INFERENCE_NUM_THREADS") == 1
