"use strict";
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const darkness = window.matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();
  let turn = 0;

  // Room for the axis on the left of a chart, in pixels.
  const margin = 56;

  const specification = (place, element) => {
    const spec = JSON.parse(element.textContent);
    const aspect = Number(place.dataset.aspect);
    if (aspect) spec.height = Math.round(Math.min(420, (place.clientWidth - margin) * aspect));
    return spec;
  };

  const configuration = (place, theme) => {
    const columns = Math.max(1, Math.floor((place.clientWidth - margin) / Number(place.dataset.legend)));
    return { ...theme, legend: { ...theme.legend, columns } };
  };

  const draw = async (element, name) => {
    const place = document.getElementById(element.dataset.chart);
    const options = {
      mode: "vega-lite", actions: false, renderer: "svg",
      config: configuration(place, themes[name]), tooltip: { theme: name },
    };
    drawn.get(place)?.finalize();
    drawn.delete(place);
    try {
      drawn.set(place, await window.vegaEmbed(place, specification(place, element), options));
    } catch (error) {
      place.textContent = "This chart could not be drawn; the tables hold the same numbers.";
      console.error(error);
    }
  };

  // One slider and one button move the time of all charts of their section.
  const players = [...document.querySelectorAll("section[data-play]")].map((section) => {
    const slider = section.querySelector("input[type=range]");
    const button = section.querySelector("button");
    const shown = section.querySelector("output");
    const step = Number(slider.step);
    let clock = 0;
    const show = () => {
      shown.textContent = Number(slider.value).toPrecision(3);
      for (const place of section.querySelectorAll(".chart")) {
        drawn.get(place)?.view.signal("time", Number(slider.value)).runAsync();
      }
    };
    const stop = () => {
      clearInterval(clock);
      clock = 0;
      button.textContent = "Play";
    };
    const tick = () => {
      if (Number(slider.value) >= Number(slider.max) - step / 2) return stop();
      slider.value = Number(slider.value) + step;
      return show();
    };
    slider.addEventListener("input", () => { stop(); show(); });
    button.addEventListener("click", () => {
      if (clock) return stop();
      if (Number(slider.value) >= Number(slider.max) - step / 2) slider.value = slider.min;
      button.textContent = "Stop";
      clock = setInterval(tick, 120);
      return show();
    });
    return show;
  });

  const drawAll = async () => {
    const mine = ++turn;
    const name = darkness.matches ? "dark" : "light";
    delete document.documentElement.dataset.drawn;
    for (const element of document.querySelectorAll("script.specification")) {
      await draw(element, name);
      if (mine !== turn) return;
    }
    players.forEach((show) => show());
    document.documentElement.dataset.drawn = name;
  };

  let waiting;
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (window.innerWidth === width) return;
      width = window.innerWidth;
      drawAll();
    }, 150);
  });
  darkness.addEventListener("change", drawAll);
  drawAll();
})();
