// Draws over what the page already says: plots with values under the pointer (uPlot), the graph (cytoscape). Both
// libraries are loaded only where something is to be drawn; the lines and tables beneath stay for everybody else.
"use strict";
(() => {
  const clock = (at) => new Date(at * 1e3).toISOString().slice(11, 19);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function load(address) {
    return new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = address;
      script.onload = done;
      script.onerror = failed;
      document.head.append(script);
    });
  }

  // --- plots
  const evidence = document.getElementById("evidence");
  const WANTED = { rate: ["own", "peers"], traffic: ["own_requests", "peer_requests"], evidence: ["evidence_score"] };

  let drawing_plots = false;

  async function plots() {
    if (drawing_plots || !evidence.querySelector(".plot:not([data-drawn])")) return;
    drawing_plots = true;
    try { await draw_plots(); } finally { drawing_plots = false; }
  }

  async function draw_plots() {
    if (!window.uPlot) await load("/static/vendor/uplot.js");
    const answer = await fetch("/api/v1/incidents/" + encodeURIComponent(evidence.dataset.incident));
    if (!answer.ok) return;
    const points = (await answer.json()).points;
    for (const figure of evidence.querySelectorAll(".plot:not([data-drawn])")) plot(figure, points);
  }

  function plot(figure, points) {
    const keys = WANTED[figure.dataset.plot];
    const svg = figure.querySelector("svg");
    const names = [...figure.querySelectorAll(".key")].map((one) => one.textContent);
    const scale = figure.dataset.plot === "rate" ? 100 : 1;
    const data = [points.map((one) => one.at), ...keys.map((key) => points.map((one) => one[key] === null ? null : one[key] * scale))];
    const axis = { stroke: colour("--dim"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { stroke: colour("--rule") } };
    const canvas = document.createElement("div");
    canvas.className = "canvas";
    canvas.setAttribute("aria-hidden", "true");
    svg.after(canvas);
    figure.dataset.drawn = "";
    new uPlot({
      width: Math.max(canvas.clientWidth, 200), height: 190,
      axes: [{ ...axis, space: 70, values: (_, ticks) => ticks.map(clock) }, axis],
      hooks: { ready: [(made) => made.setLegend({ idx: points.length - 1 })] }, scales: { y: { range: (_, low, high) => [0, Math.max(high * 1.05, 1e-3)] } },
      series: [{ label: "at", value: (_, at) => at === null ? "" : clock(at) },
        ...keys.map((_, i) => ({ label: names[i], stroke: colour(i ? "--two" : "--one"), width: 2, dash: i ? [6, 3] : [], points: { show: false }, value: (_, value) => value === null ? "" : value.toFixed(1) + (scale === 100 ? " %" : "") }))],
    }, data, canvas);
    svg.setAttribute("hidden", "");
    figure.querySelector(".axis").hidden = true;
  }

  // --- graph
  const drawing = document.querySelector("[data-graph]");
  let graph = null;

  function parts() {
    const nodes = new Map(), edges = [];
    for (const row of document.querySelectorAll("[data-calls] tbody tr[data-from]")) {
      const { from, to, errors, fromState, toState } = row.dataset;
      nodes.set(from, fromState);
      nodes.set(to, toState);
      edges.push({ data: { id: from + ">" + to, source: from, target: to, errors: Number(errors) } });
    }
    return [[...nodes].map(([id, state]) => ({ data: { id, label: id, paint: colour("--" + state), shape: SHAPES[state] || "ellipse" } })), edges];
  }
  const SHAPES = { failing: "triangle", blocked: "rectangle", acting: "pentagon", suspected: "diamond", degraded: "vee", unknown: "hexagon" };

  async function draw() {
    const [nodes, edges] = parts();
    if (!edges.length || nodes.length > 300) return;
    if (!window.cytoscape) await load("/static/vendor/cytoscape.js");
    const known = new Set(graph ? graph.nodes().map((one) => one.id()) : []);
    if (graph && known.size === nodes.length && nodes.every((one) => known.has(one.data.id))) {
      for (const one of nodes) graph.getElementById(one.data.id).data(one.data);
      for (const one of edges) graph.getElementById(one.data.id).data(one.data);
      return;
    }
    drawing.hidden = false;
    drawing.setAttribute("aria-hidden", "true");
    if (graph) graph.destroy();
    graph = cytoscape({
      container: drawing, elements: [...nodes, ...edges], userZoomingEnabled: false, autoungrabify: true,
      layout: { name: "breadthfirst", directed: true, padding: 24, spacingFactor: 1.1, animate: false },
      style: [
        { selector: "node", style: { label: "data(label)", shape: "data(shape)", "background-color": "data(paint)", color: colour("--ink"), "font-size": 12, "text-valign": "bottom", "text-margin-y": 5, "text-background-color": colour("--card"), "text-background-opacity": 0.85, "text-background-padding": 2, width: 24, height: 24 } },
        { selector: "edge", style: { width: 1.5, "line-color": colour("--dim"), "target-arrow-color": colour("--dim"), "target-arrow-shape": "triangle", "curve-style": "unbundled-bezier", "control-point-distances": 24, "control-point-weights": 0.5, opacity: 0.6 } },
        { selector: "edge[errors > 0.01]", style: { width: 3.5, "line-color": colour("--failing"), "target-arrow-color": colour("--failing"), opacity: 1 } },
      ],
    });
    graph.on("tap", "node", (event) => { if (event.target.id().includes("/")) location.href = "/graph?around=" + encodeURIComponent(event.target.id()); });
  }

  function all() {
    if (evidence) plots().catch(() => {});
    if (drawing) draw().catch(() => {});
  }
  document.addEventListener("observer:fresh", all);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { graph = null; all(); });
  all();
})();
