"""``observer rules`` from documents and from options."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from observer.cli.main import app, main
from tests.support import promtool

ROOT = Path(__file__).parents[3]
OBJECTIVES = ROOT / "rules" / "objectives.yaml"
PLAIN = """apiVersion: openslo/v1
kind: SLO
metadata: {name: own, annotations: {observer.dev/burn: sre-30d, observer.dev/scope: shop/mail}}
spec:
  service: mail
  budgetingMethod: Occurrences
  timeWindow: [{duration: 30d, isRolling: true}]
  indicator:
    metadata: {name: own}
    spec:
      ratioMetric:
        counter: true
        bad: {metricSource: {spec: {query: failed}}}
        total: {metricSource: {spec: {query: taken}}}
  objectives: [{target: 0.99}]
"""


def written(*words: object) -> dict[str, object]:
    done = CliRunner().invoke(app, ["rules", "--json", *map(str, words)])
    assert done.exit_code == 0, done.exception
    body: dict[str, object] = json.loads(done.stdout)
    return body


def alerts(path: Path) -> list[tuple[str, str]]:
    [group] = yaml.safe_load(path.read_text())["groups"]
    return [(one["labels"]["burn_tier"], one["labels"]["slo_id"]) for one in group["rules"] if "alert" in one]


def test_templates_are_written_for_the_services_that_are_named(tmp_path: Path) -> None:
    body = written(OBJECTIVES, "-o", tmp_path, "-s", "shop/cart", "-s", "pay/api")

    files = sorted(path.name for path in tmp_path.glob("slo-*.yaml"))
    assert len(files) == 8 and body["waiting"] == []
    assert body["files"] == sorted([*files, "alertmanager-inhibition.yaml"])
    found = alerts(tmp_path / "slo-shop--mesh-availability.cart.rules.yaml")
    assert found == [(tier, "shop/mesh-availability.cart") for tier in ("page-1h", "page-6h", "ticket-1d", "ticket-3d")]
    text = (tmp_path / "slo-shop--mesh-availability.cart.rules.yaml").read_text()
    assert "$service" not in text and 'response_flags=~"(.*,)?(' in text
    matchers = yaml.safe_load((tmp_path / "alertmanager-inhibition.yaml").read_text())["inhibit_rules"]
    assert 'burn_tier="page-1h"' in matchers[0]["source_matchers"]


@pytest.mark.needs("promtool")
def test_every_written_file_is_good_for_promtool(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(PLAIN)
    for dialect in (2, 3):
        out = tmp_path / str(dialect)
        written(OBJECTIVES, own, "-o", out, "-s", "shop/cart", "--dialect", dialect, "--cluster", "east")
        texts = [path.read_text() for path in sorted(out.glob("slo-*.yaml"))]

        assert len(texts) == 5
        assert "SUCCESS" in promtool.check(tmp_path, *texts)


def test_objectives_of_their_own_need_no_service(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(PLAIN)

    body = written(own, OBJECTIVES, "-o", tmp_path / "out")

    assert body["files"] == ["alertmanager-inhibition.yaml", "slo-shop--own.rules.yaml"]
    assert body["waiting"] == sorted(
        ["mesh-availability", "mesh-gateway-availability", "mesh-grpc-availability", "mesh-latency"]
    )


def test_ambient_counts_at_the_waypoint(tmp_path: Path) -> None:
    written(OBJECTIVES, "-o", tmp_path, "-s", "shop/cart", "--ambient")

    assert 'reporter="waypoint"' in (tmp_path / "slo-shop--mesh-latency.cart.rules.yaml").read_text()


def test_a_preset_by_options_is_written_as_before(tmp_path: Path) -> None:
    body = written(
        "-o", tmp_path, "-s", "shop/cart", "--preset", "istio-latency", "--cut-ms", "250", "--target", "0.99"
    )

    assert body["files"] == ["alertmanager-inhibition.yaml", "slo-shop--cart-latency.rules.yaml"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((OBJECTIVES,), "name services for the templates mesh-availability, "),
        ((OBJECTIVES, "-s", "cart"), "--service cart: expected NAMESPACE/NAME"),
        (
            (OBJECTIVES, "-s", "shop/cart", "--target", "0.9", "--burn", "7d"),
            "--target, --burn: the documents already set it",
        ),
        (("own.yaml", "-s", "shop/cart"), "--service: no document is a template"),
        (("nowhere.yaml",), "nowhere.yaml: cannot be read"),
        ((), "name documents, or --service NAMESPACE/NAME for a preset"),
        (("-s", "shop/cart", "--target", "1.5"), "--target 1.5: must be above 0 and below 1"),
    ],
)
def test_what_cannot_be_written_is_told(
    words: tuple[object, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.yaml").write_text(PLAIN)
    monkeypatch.setattr("sys.argv", ["observer", "rules", "-o", "out", *map(str, words)])

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 2
    assert told in capsys.readouterr().err
    assert not Path("out").exists()
