"""The composition root: builds store, engine, steps and services, and takes them down in order. Only builder.

Start: claim the home, open the store, bind the socket, start engine and jobs, serve. Stop (SIGTERM, SIGINT, or
SIGHUP, as from a terminal that closes): health says NOT_SERVING, running calls are given `drain_s`, jobs are
interrupted where they can resume, the store is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version

from reex.location import Location
from reex.v1 import (
    classifiers_pb2,
    classifiers_pb2_grpc,
    discovery_pb2,
    discovery_pb2_grpc,
    documents_pb2,
    documents_pb2_grpc,
    evaluation_pb2,
    evaluation_pb2_grpc,
    explanation_pb2,
    explanation_pb2_grpc,
    interchange_pb2,
    interchange_pb2_grpc,
    jobs_pb2,
    jobs_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    predictions_pb2,
    predictions_pb2_grpc,
    projects_pb2,
    projects_pb2_grpc,
    search_pb2,
    search_pb2_grpc,
    server_pb2,
    server_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

from reexd import logs
from reexd.claim import Claim, claim
from reexd.config import Settings, load
from reexd.engine.client import Engine
from reexd.engine.tasks import EngineSettings
from reexd.errors import ReexError
from reexd.jobs import JobQueue, Kind
from reexd.listening import Listener
from reexd.notify import notify
from reexd.paths import Paths
from reexd.registry import Registry
from reexd.rpc.classifiers import ClassifierService
from reexd.rpc.classifiers import Steps as ClassifierSteps
from reexd.rpc.discovery import DiscoveryService
from reexd.rpc.documents import DocumentService
from reexd.rpc.evaluation import EvaluationService
from reexd.rpc.explanation import ExplanationService
from reexd.rpc.interchange import InterchangeService
from reexd.rpc.interchange import Steps as InterchangeSteps
from reexd.rpc.jobs import JobService
from reexd.rpc.models import ModelService
from reexd.rpc.predictions import PredictionService
from reexd.rpc.projects import ProjectService
from reexd.rpc.search import SearchService
from reexd.rpc.server import ServerService
from reexd.rpc.training import TrainingService
from reexd.steps.add import Add
from reexd.steps.classifiers import Classifiers
from reexd.steps.compare import Compare
from reexd.steps.derive import Derive
from reexd.steps.documents import Documents
from reexd.steps.drift import Drift
from reexd.steps.duplicates import FindDuplicates
from reexd.steps.edit import Edit
from reexd.steps.embed import Embed
from reexd.steps.evaluate import Evaluate
from reexd.steps.explain import Explain
from reexd.steps.export import Export
from reexd.steps.housekeeping import Housekeeping
from reexd.steps.import_classifier import ImportClassifier
from reexd.steps.import_documents import ImportDocuments
from reexd.steps.label_errors import FindLabelErrors
from reexd.steps.live import Live
from reexd.steps.models import Models
from reexd.steps.predict import Predict
from reexd.steps.projects import Projects
from reexd.steps.query import Query
from reexd.steps.recalibrate import Recalibrate
from reexd.steps.search import Search
from reexd.steps.select import Select
from reexd.steps.staging import Room
from reexd.steps.staleness import Staleness
from reexd.steps.status import ServerFacts, Status
from reexd.steps.suggest import Suggest
from reexd.steps.train import Train
from reexd.steps.tuned import Adapters
from reexd.steps.undo import Undo
from reexd.steps.upload import Upload
from reexd.store.catalogue import Catalogue

logger = logging.getLogger(__name__)

STEP_THREADS = 64  # a waiting call holds one; queries beyond that wait their turn in the executor
HOUSEKEEPING_INTERVAL_S = 3_600.0
SWITCH_INTERVAL_S = (
    0.0005  # a step that computes gives the loop its turn after so long, instead of Python's 5 ms
)


@dataclass(frozen=True)
class Parts:
    """What is built once and shared: the store, the engine, the queue, and the services over them."""

    catalogue: Catalogue
    engine: Engine
    jobs: JobQueue
    services: list[tuple[object, object, object]]  # (proto module, its stubs, servicer)


def serve(flags: Mapping[str, object]) -> None:
    """Run the daemon in the foreground. Raises DaemonRunning, InvalidSetting, StoreCorrupt, StoreTooNew."""
    location = Location.from_environment()
    settings = load(location.config, flags=flags).settings
    paths = Paths(location, settings.models)
    with claim(location) as held:
        paths.prepare()
        logs.configure(
            paths.log,
            level=settings.log_level,
            size_max_bytes=settings.log_size_max_bytes,
            files_max=settings.log_files_max,
            foreground=sys.stderr.isatty(),
        )
        shutil.rmtree(paths.scratch, ignore_errors=True)
        paths.scratch.mkdir(mode=0o700)
        asyncio.run(_run(settings, paths, held))


def check() -> dict[str, object]:
    """Start the engine alone and say what it runs on."""
    location = Location.from_environment()
    settings = load(location.config).settings
    paths = Paths(location, settings.models)
    paths.prepare()
    engine = Engine(EngineSettings(workers=1), paths.scratch)
    engine.start()
    try:
        status = engine.status()
    finally:
        engine.stop()
    return {"backend": status.backend, "blas": status.blas, "blas_fast": status.blas_fast}


async def _run(settings: Settings, paths: Paths, held: Claim) -> None:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    asyncio.get_running_loop().set_default_executor(
        ThreadPoolExecutor(STEP_THREADS, thread_name_prefix="step")
    )
    async with _parts(settings, paths) as parts:
        await _serve(parts, held, settings)


@contextlib.asynccontextmanager
async def _parts(settings: Settings, paths: Paths) -> AsyncIterator[Parts]:
    catalogue = Catalogue(paths.catalogue, settings.project_map_size_bytes, settings.catalogue_map_size_bytes)
    engine = Engine(
        EngineSettings(
            workers=settings.workers,
            queued_max=settings.queries_queued_max,
            cache_max_bytes=settings.cache_size_max_bytes,
            models_loaded_max=settings.models_loaded_max,
            model_idle_max_s=settings.model_idle_max_s,
        ),
        paths.scratch,
    )
    try:
        await engine.run()
        running = engine.status()
        if not running.blas_fast:
            logger.warning("%s", running.blas)
        yield _compose(settings, paths, catalogue, engine)
    finally:
        await engine.close()
        catalogue.close()


def _compose(settings: Settings, paths: Paths, catalogue: Catalogue, engine: Engine) -> Parts:
    registry = Registry(paths.models, offline=settings.offline)
    staleness = Staleness(catalogue)
    classifiers = Classifiers(catalogue, staleness)
    derive = Derive(catalogue)
    live = Live(catalogue, paths.scratch)
    embed = Embed(catalogue, engine, registry, Adapters(catalogue, paths.scratch))
    predict = Predict(catalogue, engine, embed, live, staleness)
    select = Select(catalogue, predict)
    query = Query(catalogue, engine, embed, live, staleness, settings)
    models = Models(registry, catalogue, engine)
    train = Train(catalogue, engine, embed, registry, paths.tuning, settings.checkpoint_s)
    jobs = JobQueue(
        catalogue.environment,
        {
            "train": Kind(train.run, exclusive=True, discard=train.discard),
            "pull": Kind(models.pull, exclusive=False),
        },
    )
    models.attach(jobs)
    train.attach(jobs)
    facts = ServerFacts(version("reex"), settings, paths.location.data, paths.models)
    upload = Upload(catalogue, settings)
    room = Room(paths.scratch, settings.exchange_size_max_bytes)
    interchange = InterchangeSteps(
        Export(catalogue, embed, room, facts.version),
        ImportClassifier(catalogue, embed, derive, room, settings.document_size_max_bytes),
        ImportDocuments(catalogue, embed, upload, room),
        classifiers,
    )
    projects = Projects(catalogue, jobs)
    services = [
        (projects_pb2, projects_pb2_grpc, ProjectService(projects)),
        (
            documents_pb2,
            documents_pb2_grpc,
            DocumentService(upload, Documents(catalogue, select), Edit(catalogue, select, settings)),
        ),
        (jobs_pb2, jobs_pb2_grpc, JobService(jobs)),
        (training_pb2, training_pb2_grpc, TrainingService(train)),
        (predictions_pb2, predictions_pb2_grpc, PredictionService(query, predict)),
        (
            evaluation_pb2,
            evaluation_pb2_grpc,
            EvaluationService(Evaluate(catalogue, predict), Drift(catalogue, predict)),
        ),
        (
            classifiers_pb2,
            classifiers_pb2_grpc,
            ClassifierService(
                ClassifierSteps(
                    classifiers,
                    Compare(catalogue, predict),
                    Add(catalogue, engine, embed, live, derive),
                    Undo(catalogue),
                    Recalibrate(catalogue, engine, embed, live, derive),
                )
            ),
        ),
        (
            explanation_pb2,
            explanation_pb2_grpc,
            ExplanationService(Explain(catalogue, engine, embed, query)),
        ),
        (search_pb2, search_pb2_grpc, SearchService(Search(catalogue, embed, select, settings))),
        (
            discovery_pb2,
            discovery_pb2_grpc,
            DiscoveryService(
                FindLabelErrors(catalogue, predict),
                Suggest(catalogue, predict),
                FindDuplicates(catalogue, embed),
            ),
        ),
        (interchange_pb2, interchange_pb2_grpc, InterchangeService(interchange)),
        (models_pb2, models_pb2_grpc, ModelService(models)),
        (server_pb2, server_pb2_grpc, ServerService(Status(facts, catalogue, engine, jobs, classifiers))),
    ]
    return Parts(catalogue, engine, jobs, services)


async def _serve(parts: Parts, held: Claim, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    hangup = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)  # nohup
    for number in (signal.SIGTERM, signal.SIGINT, *hangup):
        loop.add_signal_handler(number, stop.set)
    listener = Listener(held, parts.services, _message_max_bytes(settings))
    listener.bind()
    parts.jobs.start()
    await listener.start()
    _leave_to_the_collector_what_comes()
    notify("READY=1")
    logger.info("serving on %s, pid %d", held.target, os.getpid())
    housekeeping = asyncio.create_task(_hourly(Housekeeping(parts.catalogue)))
    watching = asyncio.create_task(listener.watch())
    watching.add_done_callback(lambda _: stop.set())
    await stop.wait()
    logger.info("stopping")
    notify("STOPPING=1")
    watching.cancel()
    await listener.say_not_serving()
    housekeeping.cancel()
    # Jobs first: a watcher's stream ends only when it is cut off, an interrupted job frees the engine for the rest.
    # In a thread of its own: those of the steps may all be waiting for what only the end of the engine gives them.
    with ThreadPoolExecutor(1, thread_name_prefix="stop") as own:
        await loop.run_in_executor(own, parts.jobs.stop, settings.drain_s)
    await listener.close(settings.drain_s)
    logger.info("stopped")


def _leave_to_the_collector_what_comes() -> None:
    """What is there by now stays: walking it at each full collection holds the loop for some 25 ms."""
    gc.collect()
    gc.freeze()


def _message_max_bytes(settings: Settings) -> int:
    """Room for the largest document as it is sent, a full chunk of smaller ones or of a file, and a batch of texts."""
    return max(4 * settings.document_size_max_bytes, 2 * settings.chunk_size_max_bytes, 1 << 20)


async def _hourly(housekeeping: Housekeeping) -> None:
    while True:
        try:
            await asyncio.to_thread(housekeeping.run)
        except ReexError as error:  # a full disk, say
            logger.warning("housekeeping was left unfinished: %s", error.message)
        except Exception:  # a defect must not be the end of it
            logger.exception("housekeeping was left unfinished")
        await asyncio.sleep(HOUSEKEEPING_INTERVAL_S)
