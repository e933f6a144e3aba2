"""The figures as people read them. A figure in brackets says how often fedlink's goes into
the one before it."""

from report import Report
from work import Cost

OWN = "fedlink"
SYSTEMS = (OWN, "NVFlare", "Flower")
NAME, WIDTH = 34, 24
ALONE = {
    "heartbeat": "heartbeat",
    "poll": "poll, no task there",
    "fetch": "fetch a task of 1 KiB",
    "submit": "hand in a result of 1 KiB",
}


def render(report: Report) -> str:
    """The whole table."""
    parts = [["", _line("", SYSTEMS)]]
    parts += [_small(row, costs, report.sites) for row, costs in report.small.items()]
    bare = [f"{cpu * 1e6:,.1f} us" if cpu else "-" for cpu in map(report.bare.get, SYSTEMS)]
    parts.append(["", _line("as many bytes as a heartbeat, bare", bare)])
    idle = [f"{report.idle[system]:.2%}" for system in SYSTEMS]
    parts.append(["", _line(f"{report.sites} silent sites: CPU of the server", idle)])
    parts += [_alone(report), _memory(report), _start(report), _transfers(report)]
    return "\n".join(line for part in parts for line in part)


def _small(row: str, costs: dict[str, Cost], sites: int) -> list[str]:
    ordered = [costs[system] for system in SYSTEMS]
    operations = ordered[0].operations
    each = [cost.cpu / cost.operations for cost in ordered]
    micros = [f"{cpu * 1e6:,.1f} us" for cpu in each]
    return [
        "",
        f"{row}: {operations:,} times, on {sites} connections",
        _line("  server CPU an operation", _rated(micros, each)),
        _line("  operations a core-second", [f"{1 / cpu:,.0f}" for cpu in each]),
        _line("  requests that came", [f"{cost.requests:,}" for cost in ordered]),
        _line("  payload bytes moved", [f"{cost.payload_bytes:,}" for cost in ordered]),
        _line(
            "  bytes that came an operation",
            [f"{cost.wire_bytes / cost.operations:,.0f}" for cost in ordered],
        ),
    ]


def _alone(report: Report) -> list[str]:
    lines = ["", "the server's code alone, in its own process: CPU an operation"]
    for row, name in ALONE.items():
        own = report.alone[OWN][row]
        cells = [f"{own * 1e6:,.1f} us"]
        for system in SYSTEMS[1:]:
            cpu = report.alone[system].get(row)
            cells.append(f"{cpu * 1e6:,.1f} us ({cpu / own:,.0f}x)" if cpu else "-")
        lines.append(_line(f"  {name}", cells))
    return lines


def _memory(report: Report) -> list[str]:
    each = [report.memory[system].bytes / report.memory[system].clients for system in SYSTEMS]
    cells = [f"{grown / 1024:,.1f} KiB" for grown in each]
    clients = report.memory[OWN].clients
    text = f"memory of the server for one more registered client, over {clients}"
    return ["", text, _line("  resident", _rated(cells, each))]


def _start(report: Report) -> list[str]:
    starts = [report.start[system] for system in SYSTEMS]
    wall = [start.seconds for start in starts]
    cpu = [start.cpu for start in starts]
    peak = [float(start.peak) for start in starts]
    return [
        "",
        "a client process, until it has registered",
        _line("  time", _rated([f"{each * 1e3:,.0f} ms" for each in wall], wall)),
        _line("  CPU", _rated([f"{each * 1e3:,.1f} ms" for each in cpu], cpu)),
        _line("  peak memory", _rated([f"{each / 2**20:,.1f} MiB" for each in peak], peak)),
    ]


def _transfers(report: Report) -> list[str]:
    own = report.transfer["fedlink, TLS"]
    titles = ("MB/s", "server CPU a GB", "peak of server", "peak to payload", "bytes that came")
    lines = [
        "",
        f"one result of {own.payload_bytes >> 20:,} MiB, from one site to the server",
        _line("", titles, 20),
    ]
    for label, it in report.transfer.items():
        each = it.cpu / it.payload_bytes * 1e9
        ratio = it.cpu / it.payload_bytes / (own.cpu / own.payload_bytes)
        cells = (
            f"{it.payload_bytes / it.seconds / 1e6:,.0f}",
            f"{each:,.2f} s ({ratio:,.1f}x)",
            f"{it.peak / 2**20:,.0f} MiB",
            f"{(it.peak - it.memory) / it.payload_bytes:,.2f}",
            f"{it.wire_bytes:,}",
        )
        lines.append(_line(f"  {label}", cells, 20))
    return lines


def _rated(cells: list[str], values: list[float]) -> list[str]:
    """The cells, with the ratio to fedlink's behind all but that."""
    own, others = values[0], values[1:]
    rated = [f"{cell} ({value / own:,.1f}x)" for cell, value in zip(cells[1:], others, strict=True)]
    return [cells[0], *rated]


def _line(name: str, cells: tuple[str, ...] | list[str], width: int = WIDTH) -> str:
    return f"{name:{NAME}}" + "".join(f"{cell:>{width}}" for cell in cells)
