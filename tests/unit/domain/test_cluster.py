"""What a pod is, by its labels and annotations."""

from __future__ import annotations

import pytest

from tests.support.builders import pod


@pytest.mark.parametrize(
    ("labels", "annotations", "gateway"),
    [
        ({"istio": "ingressgateway"}, {}, True),
        ({"istio": "internal-gateway"}, {}, True),
        ({"gateway.networking.k8s.io/gateway-name": "public"}, {}, True),
        ({"app": "edge"}, {"inject.istio.io/templates": "sidecar,gateway"}, True),
        ({"app": "api-gateway", "istio": "pilot"}, {"inject.istio.io/templates": "sidecar"}, False),
        ({}, {}, False),
    ],
)
def test_which_pods_are_gateways(labels: dict[str, str], annotations: dict[str, str], gateway: bool) -> None:
    assert pod(labels=labels, annotations=annotations).gateway is gateway
