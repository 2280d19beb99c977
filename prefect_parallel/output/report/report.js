"use strict";

// The charts are drawn on canvas, which no style sheet reaches: the page's colors are put in here.
function colors_by_type() {
  const style = getComputedStyle(document.documentElement);
  const [ink, faint, line] = ["--ink", "--faint", "--line"].map((name) => style.getPropertyValue(name).trim());
  const axis = {
    axis_line_color: line, major_tick_line_color: line, minor_tick_line_color: null,
    major_label_text_color: faint, axis_label_text_color: faint,
  };
  return {
    Figure: { background_fill_color: null, border_fill_color: null, outline_line_color: line },
    Title: { text_color: ink },
    Grid: { grid_line_color: line },
    Legend: { label_text_color: faint, background_fill_color: null, border_line_color: null },
    CrosshairTool: { line_color: faint },
    CategoricalAxis: axis, DatetimeAxis: axis, LinearAxis: axis, LogAxis: axis,
  };
}

async function draw() {
  const colors = colors_by_type();
  const color = (key, value) => {
    if (value !== null && value.type === "object" && value.name in colors) {
      value.attributes = { ...value.attributes, ...colors[value.name] };
    }
    return value;
  };
  for (const element of document.querySelectorAll("script[data-chart]")) {
    await Bokeh.embed.embed_item(JSON.parse(element.textContent, color), element.dataset.chart);
  }
  document.documentElement.dataset.drawn = "";
}

function redraw() {
  const colors = colors_by_type();
  for (const page of Bokeh.documents) {
    for (const model of page.all_models) {
      if (model.type in colors) {
        model.setv(colors[model.type]);
      }
    }
  }
}

function print_in_light(printing) {
  document.documentElement.toggleAttribute("data-print", printing);
  redraw();
  // Printing does not wait for the next frame, in which the charts would be drawn anew.
  for (const chart of Bokeh.index.query((view) => view.model.type === "Figure")) {
    chart.repaint();
  }
}

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => print_in_light(true));
addEventListener("afterprint", () => print_in_light(false));
draw();
