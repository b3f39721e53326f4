"""The `dressform` command. Each subcommand imports what it needs and no more."""

import argparse
import contextlib
import io
import os
import signal
import sys
import traceback
from pathlib import Path

from . import billing_command, failure, worker_command

FAILED, INTERRUPTED, TERMINATED = 1, 130, 143


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns its exit status: 0 done, 1 failed, 2 usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A console of another alphabet must not lose the table for the name of a photo.
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _terminate)
    try:
        return options.command(options)
    except KeyboardInterrupt:
        _say("Interrupted.")
        return INTERRUPTED
    except failure.EXPECTED as error:
        if options.debug:
            traceback.print_exc()
        _say(f"dressform: {failure.sentence(error)}")
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dressform", description=__doc__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    entry = commands.add_parser("parse", help="write masks and keypoints of mannequin photos")
    entry.add_argument("photos", nargs="+", type=Path, metavar="PHOTO_OR_FOLDER")
    entry.add_argument("--out", type=_folder, required=True, metavar="DIR")
    entry.add_argument("--jobs", type=_count, default=os.cpu_count() or 1, metavar="N")
    entry.set_defaults(command=_parse)

    entry = commands.add_parser("lint", help="say what is wrong with photos, and grade them")
    entry.add_argument("photos", nargs="+", type=Path, metavar="PHOTO_OR_FOLDER")
    entry.add_argument("--json", action="store_true", help="print every check as JSON")
    entry.add_argument(
        "--fail-under",
        type=str.upper,
        choices=["A", "B", "C", "D", "E"],
        metavar="GRADE",
        help="exit with 1 if a photo has a worse grade than this one, from A to E",
    )
    entry.add_argument("--jobs", type=_count, default=os.cpu_count() or 1, metavar="N")
    entry.set_defaults(command=_lint)

    _add_check(commands.add_parser("check", help="check finished pictures against their photo"))

    entry = commands.add_parser("run", help="run a workflow and save every output")
    entry.add_argument("workflow", type=Path, metavar="WORKFLOW.json")
    entry.add_argument("--set", action="append", default=[], metavar="NODE.INPUT=VALUE")
    entry.add_argument("--out", type=_folder, required=True, metavar="DIR")
    where = entry.add_mutually_exclusive_group()
    where.add_argument(
        "--server", metavar="URL", help="a running ComfyUI; without it one is started"
    )
    where.add_argument("--port", type=_port, metavar="N", help="for the ComfyUI that is started")
    entry.set_defaults(command=_run)

    entry = commands.add_parser("demo", help="run the shipped workflow on a sample photo")
    entry.add_argument("--out", type=_folder, default=Path("out/demo"), metavar="DIR")
    entry.add_argument("--photo", type=Path, metavar="FILE", help="of a garment on a mannequin")
    entry.add_argument("--person", type=Path, metavar="FILE", help="who shall wear the garment")
    entry.add_argument("--server", metavar="URL", help="a running ComfyUI with this pack")
    entry.set_defaults(command=_demo)

    _add_weights(commands.add_parser("weights", help="list, fetch and check engines' weights"))

    billing_command.add(commands)
    worker_command.add(commands)
    _add_vote(commands.add_parser("vote", help="let people vote on pictures, blinded"))

    _add_compare(
        commands.add_parser("compare", help="say whether a change of model or workflow is better")
    )

    entry = commands.add_parser("comfyui", help="get a ComfyUI that can run; print its path")
    told = worker_command.PARENT_HELP
    entry.add_argument(worker_command.WITH_PARENT, action="store_true", help=told)
    entry.set_defaults(command=_comfyui)

    entry = commands.add_parser("doctor", help="say what is missing and how to get it")
    entry.set_defaults(command=_doctor)
    return parser


def _add_weights(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, ids, told in (
        ("list", None, "what there is, for what, under which licence"),
        ("get", "+", "fetch weights; goes on where it was interrupted"),
        ("verify", "*", "check sizes and hashes of what is installed"),
        ("path", 1, "print where weights are"),
    ):
        action = actions.add_parser(name, help=told)
        if ids is not None:
            action.add_argument("ids", nargs=ids, metavar="ID")
        action.add_argument("--to", type=_folder, metavar="DIR", help="instead of the usual folder")
        if name == "get":
            action.add_argument("--from", dest="source", type=Path, metavar="DIR")
            action.add_argument("--yes", action="store_true", help="ask nothing")
        action.set_defaults(command=_weights, action=name)


def _add_check(entry: argparse.ArgumentParser) -> None:
    entry.add_argument("results", nargs="+", type=Path, metavar="RESULT_OR_FOLDER")
    entry.add_argument("--source", type=Path, metavar="PHOTO", help="of the garment")
    entry.add_argument("--baseline", type=Path, metavar="IMAGE", help="an earlier result")
    entry.add_argument("--mask", type=Path, metavar="MASK", help="the garment in the results")
    entry.add_argument("--person", type=Path, metavar="IMAGE", help="what was painted on")
    entry.add_argument("--repainted", type=Path, metavar="MASK", help="where it was painted")
    entry.add_argument("--profile", default="default", metavar="NAME_OR_TOML", help="thresholds")
    entry.add_argument("--json", action="store_true", help="print every check as JSON")
    entry.add_argument("--out", type=_folder, metavar="DIR", help="takes the annotated pictures")
    entry.set_defaults(command=_check)


def _add_vote(entry: argparse.ArgumentParser) -> None:
    entry.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="one for each arm")
    entry.add_argument("--out", type=_folder, required=True, metavar="DIR", help="goes on there")
    entry.add_argument("--photos", type=Path, metavar="DIR", help="of the garments, to show beside")
    entry.add_argument("--scores", type=Path, metavar="FILE", help="JSON of dressform compare")
    entry.add_argument("--pairs", type=_count, default=60, metavar="N", help="to show; usual: 60")
    entry.add_argument("--seed", type=int, default=1, metavar="N", help="of draw, order and sides")
    entry.add_argument("--port", type=_port, default=0, metavar="N", help="a free one if left out")
    entry.add_argument("--no-browser", action="store_true", help="only print the address")
    entry.add_argument("--results", action="store_true", help="print what was voted, ask nobody")
    entry.add_argument("--recalibrate", type=Path, metavar="NEW.toml", help="write a profile")
    entry.add_argument("--profile", default="default", help="that the new profile starts from")
    entry.set_defaults(command=_vote)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", type=Path, required=True, metavar="SUITE.toml")
    sides = "folder of pictures, or a workflow"
    parser.add_argument("--baseline", type=Path, metavar="A", help=f"the old version: {sides}")
    parser.add_argument("--candidate", type=Path, metavar="B", help=f"the new version: {sides}")
    parser.add_argument("--out", type=_folder, default=Path("out/compare"), metavar="DIR")
    parser.add_argument("--freeze", action="store_true", help="freeze the suite, run nothing")
    parser.add_argument(
        "--factors", type=_count, default=1, metavar="N", help="so many things may have changed"
    )
    parser.add_argument(
        "--keep-strangers", action="store_true", help="count pictures of other scenes as failed"
    )
    parser.add_argument("--jobs", type=_count, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--server", metavar="URL", help="a running ComfyUI, for workflows")
    parser.set_defaults(command=_compare)


def _parse(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from . import parse_batch

    photos = parse_batch.gather(options.photos)
    rows = []
    with tqdm(total=len(photos), unit="photo", disable=not sys.stderr.isatty()) as bar:
        for row in parse_batch.run(photos, options.out, options.jobs):
            rows.append(row)
            bar.update()
    print(parse_batch.table(rows))
    failed = sum(bool(row.error) for row in rows)
    if failed:
        _say(f"dressform: {failed} of {len(rows)} photos failed; the table says why.")
    return FAILED if failed else 0


def _lint(options: argparse.Namespace) -> int:
    import json

    from tqdm import tqdm

    from . import lint_batch, parse_batch

    photos = parse_batch.gather(options.photos)
    rows = []
    with tqdm(total=len(photos), unit="photo", disable=not sys.stderr.isatty()) as bar:
        for row in lint_batch.run(photos, options.jobs):
            rows.append(row)
            bar.update()
    if options.json:
        print(json.dumps(lint_batch.to_json(rows), indent=1, ensure_ascii=False))
    else:
        print(lint_batch.table(rows))
    failed = sum(bool(row.error) for row in rows)
    if failed:
        _say(f"dressform: {failed} of {len(rows)} photos failed; the table says why.")
    below = lint_batch.below(rows, options.fail_under) if options.fail_under else 0
    if below:
        _say(f"dressform: {below} of {len(rows)} photos are below grade {options.fail_under}.")
    return FAILED if failed or below else 0


def _check(options: argparse.Namespace) -> int:
    import json

    from tqdm import tqdm

    from . import check_command, parse_batch

    scene = check_command.prepare(
        source=options.source,
        baseline=options.baseline,
        person=options.person,
        mask=options.mask,
        repainted=options.repainted,
        profile=options.profile,
    )
    results = parse_batch.gather(options.results)
    rows = []
    with tqdm(total=len(results), unit="picture", disable=not sys.stderr.isatty()) as bar:
        for row in check_command.run(results, scene, options.out):
            rows.append(row)
            bar.update()
    if options.json:
        print(json.dumps(check_command.to_json(rows), indent=1, ensure_ascii=False))
    else:
        print(check_command.table(rows))
    failed = sum(bool(row.error) for row in rows)
    if failed:
        _say(f"dressform: {failed} of {len(rows)} pictures could not be checked; it says why.")
    return 0 if all(check_command.accepted(row) for row in rows) else FAILED


def _run(options: argparse.Namespace) -> int:
    from .comfyui import run, session, workflow
    from .comfyui.terminal import Line
    from .imaging import pictures

    def go(url: str) -> run.Run:
        return run.run(
            options.workflow,
            url,
            options.out,
            settings=options.set,
            check=pictures.require_whole,
        )

    workflow.load(options.workflow)  # a mistake in the file is told before anything is started
    if options.server:
        done = go(options.server)
    else:
        with Line() as line, session.started(line.show, port=options.port) as server:
            line.clear()
            done = go(server.url)
    for output in done.outputs.values():
        for file in output["files"]:
            print(options.out / file)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from . import demo
    from .comfyui.terminal import Line

    with Line() as line:
        report = demo.demonstrate(
            options.out,
            photo=options.photo or demo.PHOTO,
            person=options.person or demo.PERSON,
            url=options.server,
            notify=line.show,
            settle=line.clear,
        )
    print(report)
    return 0


def _weights(options: argparse.Namespace) -> int:
    from . import weights_command

    where = weights_command.places(options.to)
    if options.action == "list":
        print(weights_command.table(where))
    elif options.action == "verify":
        return 0 if weights_command.verify(options.ids, where, print) else FAILED
    elif options.action == "path":
        print(weights_command.path(options.ids[0], where))
    else:
        agree = (lambda: True) if options.yes else weights_command.agreed_on_terminal
        for key in options.ids:
            weights_command.get(key, where, source=options.source, agree=agree, say=print)
    return 0


def _vote(options: argparse.Namespace) -> int:
    from . import vote_command

    session = vote_command.prepare(
        options.folders,
        options.out,
        photos=options.photos,
        scores=options.scores,
        count=options.pairs,
        seed=options.seed,
    )
    if not (options.results or options.recalibrate):
        vote_command.serve(session, port=options.port, browse=not options.no_browser, say=_tell)
    print(vote_command.table(vote_command.conclude(session)))
    if options.recalibrate:
        told = vote_command.recalibrate(session, options.profile, options.recalibrate)
        print("\n".join([*told, str(options.recalibrate)]))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from . import compare_command

    return compare_command.main(options, print)


def _comfyui(options: argparse.Namespace) -> int:
    from .comfyui import session
    from .comfyui.terminal import Line

    if options.with_parent:
        worker_command.end_with_parent()
    with Line() as line:
        path = session.prepare(line.show)
    print(path)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from . import doctor

    findings = list(doctor.examine())
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        advice = f". {finding.advice} (for {finding.needed_for})" if finding.advice else ""
        print(f"{finding.name:<{width}}  {finding.state}{advice}")
    return FAILED if any(finding.advice for finding in findings) else 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 1 to 65535, got {text!r}")
    return int(text)


def _folder(text: str) -> Path:
    """Refuses a place that no folder can be made at, before any work is done for it."""
    path = Path(text)
    for place in (path, *path.absolute().parents):
        if os.path.isfile(place):
            raise argparse.ArgumentTypeError(
                f"must be a folder, got {text}, where {place} is a file. Name another folder."
            )
    return path


def _tell(text: str) -> None:
    print(text, flush=True)  # whoever reads a pipe waits for it


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _terminate(number: int, frame: object) -> None:
    # An exception, so that every started process is stopped on the way out.
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
