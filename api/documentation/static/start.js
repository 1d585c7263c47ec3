"use strict";

// Swagger UI has no colours of the system by itself.
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", colour);
colour();

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#page",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  // Providers' calls are signed, which this page cannot do: it shows calls and sends none.
  supportedSubmitMethods: [],
  // Swagger UI would send the document to a validator on the internet.
  validatorUrl: null,
});
