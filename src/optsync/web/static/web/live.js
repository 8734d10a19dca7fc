// htmx makes HTML of the text that a page of ours answers with; Trusted Types allow that to this policy alone. Our templates
// escape, and scripts of an answer are not run. Loaded after htmx.
if (window.trustedTypes) {
  const policy = trustedTypes.createPolicy("htmx", { createHTML: (text) => text });
  htmx.registerExtension("trusted-types", { init: (api) => api.initSecurity(policy) });
}
