// Live parts poll: one event every two seconds while somebody can see the page.
"use strict";

setInterval(() => {
  if (document.visibilityState === "visible") {
    document.body.dispatchEvent(new CustomEvent("samsyn:tick"));
  }
}, 2000);
