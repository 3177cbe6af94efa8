"""The view as a full screen that a person walks through with the keyboard."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static

from observer.cli.failures import ApiError
from observer.cli.output import Tone
from observer.cli.top_view import Row, Styled, Table, TopView, WorkloadFilter, again

Fetch = Callable[[WorkloadFilter], Awaitable[TopView]]
Explain = Callable[[dict[str, str]], Awaitable[list[str]]]
STYLES = {Tone.GOOD: "green", Tone.BAD: "bold red", Tone.WARN: "yellow", Tone.FAINT: "dim", Tone.BOLD: "bold"}


class Details(ModalScreen[None]):
    """The decisions about one thing, until a key closes them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", "back"),
        Binding("j", "scroll(1)", show=False),
        Binding("k", "scroll(-1)", show=False),
    ]

    def __init__(self, title: str, lines: list[str]) -> None:
        super().__init__()
        self._title, self._lines = title, lines

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="details"):
            yield Static(Text(self._title, style="bold"))
            yield Static(Text("\n".join(self._lines)), id="lines")
        yield Footer()

    def action_scroll(self, lines: int) -> None:
        self.query_one("#details", VerticalScroll).scroll_relative(y=lines)


class Top(App[None]):
    """
    Asks ``fetch`` every ``every`` seconds and shows the answer; ``decisions`` gives the decisions about a row.

    While nothing new comes, the last view stays and says so.
    """

    TITLE = "observer top"
    CSS = """
    #status, #required, #lost { padding: 0 1; height: auto; }
    #lost { color: $error; display: none; }
    .head { padding: 0 1; text-style: bold; margin-top: 1; }
    #incidents { height: auto; max-height: 30%; }
    #workloads { height: 1fr; }
    #interventions { height: auto; max-height: 9; padding: 0 1; }
    #filter { display: none; dock: bottom; }
    Details { align: center middle; }
    #details { width: 90%; height: 80%; border: round $accent; background: $surface; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "quit"),
        Binding("r", "refresh", "refresh"),
        Binding("space", "stop", "stop/go"),
        Binding("i", "focus_on('incidents')", "incidents"),
        Binding("w", "focus_on('workloads')", "workloads"),
        Binding("slash", "filter", "filter"),
        Binding("escape", "unfilter", "all", show=False),
    ]

    def __init__(self, view: TopView, fetch: Fetch, decisions: Explain, *, only: WorkloadFilter, every: float) -> None:
        super().__init__()
        self.view, self.only = view, only
        self._fetch, self._decisions, self._every = fetch, decisions, every
        self.stopped = False

    def compose(self) -> ComposeResult:
        yield Static(id="status")
        yield Static(id="lost")
        yield Static("Action required", classes="head")
        yield Static(id="required")
        yield Static("Open incidents", classes="head", id="incidents-head")
        yield DataTable(id="incidents", cursor_type="row")
        yield Static("Workloads", classes="head", id="workloads-head")
        yield DataTable(id="workloads", cursor_type="row")
        yield Static("Latest interventions", classes="head")
        yield Static(id="interventions")
        yield Input(placeholder="namespace/name holds \u2026 (enter; escape shows all)", id="filter")
        yield Footer()

    def on_mount(self) -> None:
        for name, table in self._tables():
            self.query_one(f"#{name}", DataTable).add_columns(*table.head)
        self._show()
        self.query_one("#workloads", DataTable).focus()
        self.set_interval(self._every, self._due)

    def action_refresh(self) -> None:
        self._ask()

    def action_stop(self) -> None:
        self.stopped = not self.stopped
        self._show()

    def action_focus_on(self, name: str) -> None:
        self.query_one(f"#{name}", DataTable).focus()

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.display = True
        box.value = self.only.text
        box.focus()

    def action_unfilter(self) -> None:
        self._filtered("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._filtered(event.value.strip())

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        table = dict(self._tables())[event.data_table.id or ""]
        row = next((row for row in table.rows if row.key == event.row_key.value), None)
        if row is not None:
            self._explain(row)

    def _filtered(self, text: str) -> None:
        self.query_one("#filter", Input).display = False
        self.query_one("#workloads", DataTable).focus()
        if text != self.only.text:
            self.only = WorkloadFilter(self.only.namespace, text)
            self._ask()

    def _due(self) -> None:
        if not self.stopped:
            self._ask()

    @work(exclusive=True, group="look")
    async def _ask(self) -> None:
        self.view = await again(lambda: self._fetch(self.only), self.view)
        self._show()

    @work(exclusive=True, group="explain")
    async def _explain(self, row: Row) -> None:
        try:
            lines = await self._decisions(row.query)
        except ApiError as exc:
            lines = [str(exc), f"-> {exc.step}"]
        await self.push_screen(Details(row.key, lines))

    def _tables(self) -> tuple[tuple[str, Table], ...]:
        return (("incidents", self.view.incidents), ("workloads", self.view.workloads))

    def _show(self) -> None:
        view, home = self.view, self.screen_stack[0] if self.screen_stack else None
        if home is None or not home.query("#status"):
            return  # it is being taken down
        words = [*view.status, ("stopped; space goes on", Tone.WARN)] if self.stopped else view.status
        home.query_one("#status", Static).update(Text("  ").join(_styled(part) for part in words))
        lost = home.query_one("#lost", Static)
        lost.display = bool(view.lost)
        lost.update(Text(view.lost))
        home.query_one("#required", Static).update(
            Text("\n").join(map(_styled, view.action_required)) if view.action_required else "none"
        )
        home.query_one("#interventions", Static).update(Text("\n".join(view.interventions) or "none"))
        for name, table in self._tables():
            head = {"incidents": "Open incidents", "workloads": "Workloads"}[name]
            text = f" holding {self.only.text!r}" if name == "workloads" and self.only.text else ""
            home.query_one(f"#{name}-head", Static).update(Text(f"{head}{text}  {table.note}".rstrip()))
            _fill(home.query_one(f"#{name}", DataTable), table)


def _fill(widget: DataTable[Text], table: Table) -> None:
    """New rows; the cursor stays on the same thing while it is there."""
    selected = widget.coordinate_to_cell_key(widget.cursor_coordinate).row_key.value if widget.row_count else None
    place = widget.cursor_row
    widget.clear()
    for row in table.rows:
        widget.add_row(*map(_styled, row.cells), key=row.key)
    keys = [row.key for row in table.rows]
    if keys:
        widget.move_cursor(row=keys.index(selected) if selected in keys else min(place, len(keys) - 1))


def _styled(words: Styled) -> Text:
    text, tone = words
    return Text(text, style=STYLES[tone] if tone is not None else "")
