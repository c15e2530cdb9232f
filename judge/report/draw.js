(async () => {
  const packed = document.getElementById("plotly").textContent.trim();
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const library = document.createElement("script");
  library.textContent = await new Response(unpacked).text();
  document.head.append(library);
  const plots = JSON.parse(document.getElementById("plots").textContent);
  const places = [...document.querySelectorAll("[data-plot]")];
  // Not plotly's own "responsive", which forgets a figure's height: the figures would vanish.
  const inside = (place) => place.clientWidth - 2 * parseFloat(getComputedStyle(place).paddingLeft);
  for (const place of places) {
    const { data, layout } = plots[place.dataset.plot];
    await Plotly.newPlot(place, data, { ...layout, width: inside(place) }, { displayModeBar: false });
  }
  const fit = (width) => places.forEach((p) => Plotly.relayout(p, { width: width ?? inside(p) }));
  addEventListener("resize", () => fit());
  addEventListener("beforeprint", () => fit(660));
  addEventListener("afterprint", () => fit());
})().catch(() => document.body.classList.add("undrawn"));
