// Steps through a series, or two beside each other, without loading a page. Without this file the links of the page do the same.
"use strict";

(() => {
  const PAGE_STEP = 10;
  const NEIGHBOURS = 6;
  const KEEP_MS = 200;
  const panes = [];

  function start(root, follow) {
    const data = JSON.parse(document.getElementById(root.dataset.stepper).textContent);
    const image = root.querySelector("[data-main]");
    const fault = root.querySelector("[data-fault]");
    const said = root.querySelector("[data-said]");
    const windowLinks = [...root.querySelectorAll("[data-window]")];
    const steps = data.instances.flatMap(([uid, frames, viewport]) =>
      Array.from({ length: frames }, (_, index) => ({ uid, frames, viewport, frame: index + 1 })));
    steps.forEach((step, index) => {
      step.instance = index > 0 && steps[index - 1].uid === step.uid ? steps[index - 1].instance
        : (index > 0 ? steps[index - 1].instance : 0) + 1;
    });
    const preloaded = new Map();
    let place = data.place;
    let windowKey = data.window;
    let keptAt = -KEEP_MS;
    let resting = 0;

    function pictureUrl(index) {
      const step = steps[index - 1];
      const value = data.windows.find(([key]) => key === windowKey)[1];
      const frame = step.frames > 1 ? `/frames/${step.frame}` : "";
      const query = [step.viewport && `viewport=${step.viewport}`, value && `window=${value}`].filter(Boolean).join("&");
      return `${data.path}${step.uid}${frame}/rendered${query && `?${query}`}`;
    }

    function pageQuery(index, key) {
      const step = steps[index - 1];
      const query = new URLSearchParams(location.search);
      ["instance", "frame", "window"].forEach((name) => query.delete(data.prefix + name));
      query.set(`${data.prefix}instance`, step.instance);
      if (step.frames > 1) {
        query.set(`${data.prefix}frame`, step.frame);
      }
      if (data.windows.find(([name]) => name === key)[1]) {
        query.set(`${data.prefix}window`, key);
      }
      return `?${query}`;
    }

    function preload(direction) {
      for (let distance = 1; distance <= NEIGHBOURS; distance += 1) {
        const index = place + distance * direction;
        if (index >= 1 && index <= steps.length) {
          const url = pictureUrl(index);
          if (!preloaded.has(url)) {
            const picture = new Image();
            picture.src = url;
            preloaded.set(url, picture);
          }
        }
      }
      while (preloaded.size > 4 * NEIGHBOURS) {
        preloaded.delete(preloaded.keys().next().value);
      }
    }

    function link(name, index) {
      const element = root.querySelector(`[data-step="${name}"]`);
      if (index < 1 || index > steps.length || index === place) {
        element.removeAttribute("href");
        element.setAttribute("aria-disabled", "true");
        element.setAttribute("role", "link");
      } else {
        element.href = pageQuery(index, windowKey);
        element.removeAttribute("aria-disabled");
        element.removeAttribute("role");
      }
    }

    function show(direction) {
      const url = pictureUrl(place);
      image.src = url;
      image.alt = data.alt.replace("{place}", place);
      root.querySelector("[data-place]").textContent = place;
      root.querySelector("[data-fault-link]").href = url;
      link("first", 1);
      link("prev", place - 1);
      link("next", place + 1);
      link("last", steps.length);
      windowLinks.forEach((element, index) => {
        const key = data.windows[index][0];
        element.href = pageQuery(place, key);
        element.classList.toggle("chosen", key === windowKey);
        element.toggleAttribute("aria-current", key === windowKey);
        if (key === windowKey) {
          element.setAttribute("aria-current", "true");
        }
      });
      preload(direction);
      if (performance.now() - keptAt > KEEP_MS) {
        keepAddress();
      }
      clearTimeout(resting);
      resting = setTimeout(rest, 2 * KEEP_MS);
    }

    // Browsers refuse more than about 100 changes of the address in 10 seconds.
    function keepAddress() {
      keptAt = performance.now();
      history.replaceState(null, "", pageQuery(place, windowKey));
    }

    // A screen reader hears a place when the hand rests, not every image that passes.
    function rest() {
      keepAddress();
      said.textContent = image.alt;
    }

    // Returns how far it went.
    function move(target) {
      const next = Math.min(Math.max(target, 1), steps.length);
      const distance = next - place;
      if (distance !== 0) {
        place = next;
        show(Math.sign(distance));
      }
      return distance;
    }

    function go(target) {
      follow(move(target));
    }

    function choose(index) {
      if (index < data.windows.length && data.windows[index][0] !== windowKey) {
        windowKey = data.windows[index][0];
        show(1);
      }
    }

    image.addEventListener("error", () => { fault.hidden = false; image.hidden = true; });
    image.addEventListener("load", () => { fault.hidden = true; image.hidden = false; });
    if (image.complete && image.naturalWidth === 0) {
      fault.hidden = false;
      image.hidden = true;
    }

    const targets = {
      first: () => 1, prev: () => place - 1, next: () => place + 1, last: () => steps.length,
    };
    root.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) {
        return;
      }
      const step = event.target.closest("[data-step]");
      const preset = event.target.closest("[data-window]");
      if (step) {
        event.preventDefault();
        go(targets[step.dataset.step]());
      } else if (preset) {
        event.preventDefault();
        choose(windowLinks.indexOf(preset));
      }
    });

    const keys = {
      ArrowDown: () => place + 1, ArrowRight: () => place + 1, ArrowUp: () => place - 1, ArrowLeft: () => place - 1,
      PageDown: () => place + PAGE_STEP, PageUp: () => place - PAGE_STEP, Home: () => 1, End: () => steps.length,
    };
    let turned = 0;
    root.querySelector("[data-wheel]").addEventListener("wheel", (event) => {
      if (event.ctrlKey) {
        return;
      }
      event.preventDefault();
      turned += event.deltaY;
      const count = Math.trunc(turned / 50);
      if (count !== 0) {
        turned -= count * 50;
        go(place + Math.max(-PAGE_STEP, Math.min(PAGE_STEP, count)));
      }
    }, { passive: false });

    preload(1);
    return {
      root,
      moveBy: (distance) => move(place + distance),
      press(key) {
        if (key in keys) {
          go(keys[key]());
        } else if (key >= "1" && key <= "6") {
          choose(Number(key) - 1);
        } else if (key === "?") {
          const help = document.querySelector("[data-help]");
          if (help) {
            help.open = !help.open;
          }
        } else {
          return false;
        }
        return true;
      },
    };
  }

  const together = document.querySelector("[data-together]");
  document.querySelectorAll("[data-stepper]").forEach((root) => {
    const pane = start(root, (distance) => {
      if (together && together.checked) {
        panes.filter((other) => other !== pane).forEach((other) => other.moveBy(distance));
      }
    });
    panes.push(pane);
  });
  if (together && panes.length > 1) {
    together.parentElement.hidden = false;
  }

  // Keys go to the pane that the hand was last in, at first to the study itself.
  let active = panes[0];
  panes.forEach((pane) => {
    ["pointerenter", "focusin"].forEach((name) => {
      pane.root.addEventListener(name, () => { active = pane; });
    });
  });
  document.addEventListener("keydown", (event) => {
    if (!active || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) {
      return;
    }
    if (active.press(event.key) && event.key.length > 1) {
      event.preventDefault();
    }
  });
})();
