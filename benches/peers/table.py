"""The figures as people read them."""

from work import Figure

SYSTEMS = ("fedlink", "NVFlare", "Flower")
NAME, WIDTH = 30, 22


def render(figures: dict[str, dict[str, Figure | None]], sites: int) -> str:
    """One block for each row: what each operation costs, and how often fedlink's cost."""
    lines = ["", f"{'':{NAME}}" + "".join(f"{system:>{WIDTH}}" for system in SYSTEMS)]
    for row, by_system in figures.items():
        done = next(figure for figure in by_system.values() if figure)
        lines += ["", f"{row}: {done.operations} operations on {sites} connections"]
        own = by_system["fedlink"]
        cells: dict[str, list[str]] = {
            "server CPU an operation": [],
            "operations a core-second": [],
            "requests received": [],
            "bytes received an operation": [],
        }
        for system in SYSTEMS:
            for column, cell in zip(cells.values(), _cells(by_system[system], own), strict=True):
                column.append(cell)
        for name, column in cells.items():
            lines.append(f"  {name:{NAME - 2}}" + "".join(f"{cell:>{WIDTH}}" for cell in column))
    return "\n".join(lines)


def _cells(figure: Figure | None, own: Figure | None) -> list[str]:
    if figure is None:
        return ["–"] * 4
    each = figure.cpu / figure.operations
    ratio = ""
    if own is not None and figure is not own:
        ratio = f"  ({each / (own.cpu / own.operations):,.1f}x)"
    return [
        f"{each * 1e6:,.1f} us{ratio}",
        f"{1 / each:,.0f}",
        f"{figure.requests:,}",
        f"{figure.wire_bytes / figure.operations:,.0f}",
    ]
