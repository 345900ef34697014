"""How much of a text a unit of bulk work holds."""

import pytest
from reexd.engine.opening import unit_tokens
from reexd.engine.tasks import EngineSettings, EngineStatus

SETTINGS = EngineSettings(unit_s=0.1)
CPU, SLOW, METAL = (
    EngineStatus(backend=backend, blas="", blas_fast=fast, workers=(), models=())
    for backend, fast in (("cpu", True), ("cpu", False), ("metal", True))
)


@pytest.mark.parametrize(
    ("parameters", "engine", "tokens"),
    [
        (100_000, CPU, 16_384),  # a tiny model's units are bounded
        (4_000_000, CPU, 1_000),  # 80 GFLOP/s for a tenth of a second, 8 MFLOP a token
        (85_000_000, CPU, 512),  # where 47 tokens would pay mostly for the weights
        (400_000_000, CPU, 150),  # of which 512 would take five seconds
        (8_000_000_000, CPU, 7),
        (10_600_000, SLOW, 212),
        (85_000_000, METAL, 1_176),  # a query waits for a unit there
        (4_000_000_000, METAL, 25),
        (2_000_000_000_000, METAL, 1),
    ],
)
def test_units_are_worth_their_weights_and_bounded_in_time(parameters, engine, tokens):
    assert unit_tokens(parameters, SETTINGS, engine) == tokens
