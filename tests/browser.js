() => {
  // [red, green, blue, alpha] of a computed color.
  const rgba = (text) => [...text.matchAll(/[\d.]+/g)].map(Number).concat(1).slice(0, 4);
  const over = ([r, g, b, a], ground) =>
    [r, g, b].map((each, i) => each * a + ground[i] * (1 - a)).concat(1);

  // The color behind an element: its background over those of the elements it is in.
  const groundOf = (element) => {
    if (!element) return [255, 255, 255, 1];
    const color = rgba(getComputedStyle(element).backgroundColor);
    return color[3] === 1 ? color : over(color, groundOf(element.parentElement));
  };
  const opacityOf = (element) =>
    element ? getComputedStyle(element).opacity * opacityOf(element.parentElement) : 1;

  // As WCAG 2 defines it: from 1 to 21.
  const luminance = (color) => {
    const [r, g, b] = color.map((each) =>
      each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrastOf = (element) => {
    const ground = groundOf(element);
    const [r, g, b, alpha] = rgba(getComputedStyle(element).color);
    const ink = over([r, g, b, alpha * opacityOf(element)], ground);
    const [dark, bright] = [luminance(ink), luminance(ground)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };

  // The first element, from inside out, that hides a part of a rectangle; not those that scroll.
  const cutBy = (element, text) => {
    for (let each = element; each; each = each.parentElement) {
      const style = getComputedStyle(each);
      const box = each.getBoundingClientRect();
      const scrolls = /auto|scroll/;
      if (scrolls.test(style.overflowX) || scrolls.test(style.overflowY)) return null;
      if (style.overflowX !== "visible" && (text.left < box.left - 1 || text.right > box.right + 1))
        return each;
      if (style.overflowY !== "visible" && (text.top < box.top - 1 || text.bottom > box.bottom + 1))
        return each;
      if (style.position === "fixed") return null;
    }
    return text.left < -1 || text.right > innerWidth + 1 ? document.documentElement : null;
  };

  const faults = new Set();
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.add(`${root.scrollWidth} pixels wide`);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const said = texts.currentNode.data.trim().slice(0, 40);
    if (!said || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    // Not what is folded, or waits beside the page.
    const boxes = [...range.getClientRects()].filter(({width, height, left, right}) =>
      width > 1 && height > 1 && left < innerWidth && right > 0);
    if (!boxes.length) continue;
    for (const box of boxes) {
      const by = cutBy(element, box);
      if (by) faults.add(`cut off by <${by.tagName.toLowerCase()} class="${by.className}">: ${said}`);
    }
    const letters = texts.currentNode.data.trim().length;
    if (boxes.length > 3 && boxes.length > letters / 3) faults.add(`${boxes.length} lines: ${said}`);
    const contrast = contrastOf(element);
    if (contrast < 4.5) faults.add(`contrast ${contrast.toFixed(3)}: ${said}`);
  }
  return [...faults];
}
