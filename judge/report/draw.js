(async () => {
  const packed = document.getElementById("plotly").textContent.trim();
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.textContent = await new Response(unpacked).text();
  document.head.append(library);
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const places = [...document.querySelectorAll("[data-plot]")];
  for (const place of places) {
    const { data, layout } = plots[place.dataset.plot];
    await Plotly.newPlot(place, data, layout, { displayModeBar: false, responsive: true });
  }
  const fit = (width) => places.forEach((p) => Plotly.relayout(p, { width, autosize: !width }));
  addEventListener("beforeprint", () => fit(660));
  addEventListener("afterprint", () => fit(null));
})().catch(() => document.body.classList.add("undrawn"));
