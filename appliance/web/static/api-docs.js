// Shows this box's own description; validatorUrl null: nothing is sent anywhere else.
window.SwaggerUIBundle({
  dom_id: '#api',
  url: '/api/openapi.json',
  validatorUrl: null,
  deepLinking: true,
  defaultModelsExpandDepth: 0
});
