// The pages demand trusted types. What htmx swaps in comes from this server, made by its templates, which escape.
htmx.registerExtension("trusted", {
  init: (api) => {
    if (window.trustedTypes) api.initSecurity(trustedTypes.createPolicy("optsync", { createHTML: (html) => html }));
  },
});
