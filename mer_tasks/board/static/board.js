"use strict";
// The mood board's script: the plane, the weeks, the players, and labels where the page is served by Airflow.

(() => {
  const { moods, colours, songs, weeks } = window.BOARD;
  const byId = new Map(songs.map((song) => [song.track_id, song]));
  const live = "live" in document.body.dataset;
  const $ = (selector) => document.querySelector(selector);
  const percent = (share) => `${Math.round(100 * share)} %`;
  // plotly reads some tags in its texts: a title is none
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  function layout(more) {
    const style = getComputedStyle(document.body);
    const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, fixedrange: true };
    return {
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { color: ink, family: "system-ui, sans-serif", size: 13 },
      margin: { t: 30, r: 20, b: 45, l: 50 },
      showlegend: false,
      ...more,
      xaxis: { ...axis, ...more.xaxis },
      yaxis: { ...axis, ...more.yaxis },
    };
  }
  const config = { displayModeBar: false, responsive: true };

  // --- the plane

  let shown = [];
  let current = null;

  function chosen() {
    const chart = $("#by-chart").value;
    const wanted = new Set([...document.querySelectorAll("[name=mood]:checked")].map((box) => box.value));
    const [from, to] = ["#sure-from", "#sure-to"].map((field) => Number($(field).value) / 100);
    return songs.filter(
      (song) =>
        (!chart || song.charts.includes(chart)) && wanted.has(song.mood) && song.sure >= from && song.sure <= to,
    );
  }

  function drawPlane() {
    shown = chosen();
    if (!shown.includes(current)) current = null;
    const traces = moods.map((mood) => {
      const here = shown.filter((song) => song.mood === mood);
      return {
        type: "scatter",
        mode: "markers",
        name: mood,
        x: here.map((song) => song.valence),
        y: here.map((song) => song.arousal),
        customdata: here.map((song) => song.track_id),
        text: here.map((song) => `${plain(song.title)}<br>${plain(song.artist)}<br>${mood} ${percent(song.sure)}`),
        hovertemplate: "%{text}<extra></extra>",
        marker: {
          color: colours[mood],
          opacity: here.map((song) => 0.25 + 0.75 * song.sure),
          size: 9,
          symbol: here.map((song) => (song.sure < 0.5 ? "circle-open" : "circle")),
          line: { width: 1.5, color: colours[mood] },
        },
      };
    });
    traces.push({
      type: "scatter",
      mode: "markers",
      hoverinfo: "skip",
      x: current ? [current.valence] : [],
      y: current ? [current.arousal] : [],
      marker: { symbol: "circle-open", size: 20, color: getComputedStyle(document.body).color, line: { width: 2.5 } },
    });
    const names = { happy: [0.5, 1.1], energetic: [-0.5, 1.1], sad: [-0.5, -1.1], calm: [0.5, -1.1] };
    const annotations = moods.map((mood) => ({
      x: names[mood][0],
      y: names[mood][1],
      text: `<b>${mood}</b>`,
      showarrow: false,
    }));
    Plotly.react(
      "plane-plot",
      traces,
      layout({
        annotations,
        xaxis: { title: { text: "valence" }, range: [-1.08, 1.08] },
        yaxis: { title: { text: "arousal" }, range: [-1.2, 1.2] },
      }),
      config,
    );
    $("#shown").textContent = `${shown.length} of ${songs.length} songs shown`;
  }

  function tell(song) {
    current = song;
    const where = song.charts.length ? `, in ${song.charts.join(", ")}` : "";
    $("#plane-song").textContent = `${song.title}, ${song.artist}: ${song.mood}, ${percent(song.sure)} sure${where}`;
    drawPlane();
  }

  const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  function nearest([dx, dy]) {
    if (!current) return shown[0];
    let best = null;
    let least = Infinity;
    for (const song of shown) {
      const [x, y] = [song.valence - current.valence, song.arousal - current.arousal];
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (along > 0 && along + 2 * aside < least) [best, least] = [song, along + 2 * aside];
    }
    return best;
  }

  $("#plane-chart").addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (arrow) {
      event.preventDefault();
      const song = nearest(arrow);
      if (song) tell(song);
    } else if (event.key === "Enter" && current && live) {
      play(current);
    }
  });
  for (const form of document.querySelectorAll(".filters")) form.addEventListener("submit", (e) => e.preventDefault());
  $("#by-chart").form.addEventListener("input", drawPlane);
  drawPlane();
  $("#plane-plot").on("plotly_click", ({ points }) => {
    const song = byId.get(points[0].customdata);
    tell(song);
    if (live) play(song);
  });

  // --- the weeks

  function drawWeeks() {
    const found = weeks.find((one) => one.chart === $("#week-chart").value);
    const names = Object.keys(found.weeks);
    const share = (week, mood) => {
      const total = moods.reduce((sum, one) => sum + (found.weeks[week][one] || 0), 0);
      return total ? (found.weeks[week][mood] || 0) / total : 0;
    };
    const traces = moods.map((mood) => ({
      type: "bar",
      name: mood,
      x: names,
      y: names.map((week) => share(week, mood)),
      marker: { color: colours[mood] },
      hovertemplate: `%{x}: %{y:.0%} ${mood}<extra></extra>`,
    }));
    Plotly.react(
      "weeks-plot",
      traces,
      layout({
        barmode: "stack",
        bargap: 0.35,
        showlegend: true,
        legend: { orientation: "h", y: 1.16, traceorder: "normal" },
        xaxis: { type: "category" },
        yaxis: { tickformat: ".0%", range: [0, 1] },
      }),
      config,
    );
  }

  if ($("#week-chart")) {
    $("#week-chart").addEventListener("input", drawWeeks);
    drawWeeks();
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    drawPlane();
    if ($("#week-chart")) drawWeeks();
  });

  // --- only where Airflow serves the page: players and labels

  if (!live) return;

  const audio = new Audio();
  let playing = null;

  function press() {
    for (const button of document.querySelectorAll("[data-play]")) {
      button.setAttribute("aria-pressed", String(button.dataset.play === playing));
    }
  }

  function play(song) {
    playing = playing === song.track_id ? null : song.track_id;
    audio.pause();
    if (playing) {
      audio.src = `clips/${song.clip}`;
      audio.play().catch(() => {
        playing = null;
        press();
      });
    }
    press();
  }

  audio.addEventListener("ended", () => {
    playing = null;
    press();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-play]");
    if (button) play(byId.get(button.dataset.play));
  });

  let session = { labels: {}, token: "", may_label: false, user: "" };

  function showLabel(card) {
    const mine = session.labels[card.dataset.song];
    for (const button of card.querySelectorAll("[data-mood]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mood === mine));
      button.disabled = !session.may_label;
    }
  }

  async function label(card, mood, undo) {
    const song = card.dataset.song;
    const before = session.labels[song] || "none";
    const response = await fetch("labels", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Mood-Board-Token": session.token },
      body: JSON.stringify({ track_id: song, mood }),
    });
    const answer = await response.json();
    if (!response.ok) {
      $("#labelled").textContent = `Not kept: ${typeof answer.detail === "string" ? answer.detail : response.statusText}`;
      return;
    }
    session.labels = answer.labels;
    showLabel(card);
    const title = byId.get(song).title;
    const said = mood === "none" ? "has no label by you" : `is ${mood}, says ${session.user}`;
    $("#labelled").textContent = `${title} ${said}.`;
    const given = card.querySelector(".given");
    given.textContent = mood === "none" ? "Taken back. " : `You say ${mood}. `;
    if (!undo) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Undo";
      button.setAttribute("aria-label", `Undo: ${title}`);
      button.addEventListener("click", () => label(card, before, true));
      given.append(button);
    }
  }

  for (const card of document.querySelectorAll("[data-song]")) {
    for (const button of card.querySelectorAll("[data-mood]")) {
      button.addEventListener("click", () => label(card, button.dataset.mood, false));
    }
  }
  fetch("session")
    .then((response) => response.json())
    .then((found) => {
      session = found;
      if (!session.may_label) $("#labelled").textContent = "You may look, but not label: Airflow's role User may.";
      document.querySelectorAll("[data-song]").forEach(showLabel);
    });
})();
