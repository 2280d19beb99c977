"use strict";

// The charts are drawn on canvas, which no style sheet reaches: the page's colours are put in here.
function paint() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const ink = colour("--ink"), faint = colour("--faint"), line = colour("--line"), card = colour("--card");
  const text = { major_label_text_color: faint, axis_label_text_color: faint };
  const ticks = { axis_line_color: line, major_tick_line_color: line, minor_tick_line_color: null };
  for (const page of Bokeh.documents) {
    for (const model of page.all_models) {
      if (model.type === "Figure") {
        model.setv({ background_fill_color: card, border_fill_color: card, outline_line_color: line });
      } else if (model.type === "Title") {
        model.setv({ text_color: ink });
      } else if (model.type === "Grid") {
        model.setv({ grid_line_color: line });
      } else if (model.type.endsWith("Axis")) {
        model.setv({ ...text, ...ticks });
      } else if (model.type === "CrosshairTool") {
        model.setv({ line_color: faint });
      }
    }
  }
}

async function draw() {
  for (const element of document.querySelectorAll("script[data-chart]")) {
    await Bokeh.embed.embed_item(JSON.parse(element.textContent), element.dataset.chart);
  }
  paint();
  document.documentElement.dataset.drawn = "";
}

function print_in_light(printing) {
  document.documentElement.toggleAttribute("data-print", printing);
  paint();
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

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
addEventListener("beforeprint", () => print_in_light(true));
addEventListener("afterprint", () => print_in_light(false));
draw();
