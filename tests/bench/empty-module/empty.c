/* The least dynamic module of Envoy: the base line of the benchmark for what is native. It looks at
 * nothing and changes nothing, so what it costs is what any such module costs. Envoy refuses a
 * module that lacks one of these functions. */
#include <stdbool.h>
#include <stddef.h>

#define HOOK(type, name) __attribute__((visibility("default"))) type envoy_dynamic_module_on_##name
#define IGNORED(name) HOOK(void, name)(void) {}

typedef struct {
  const char *bytes;
  size_t size;
} text;

/* What each of both pointers leads to is never looked at; they only must not be null. */
static char something;

/* The version of the interface that it is made for. */
HOOK(const char *, program_init)(void) { return "v0.2.0"; }

HOOK(const void *, http_filter_config_new)(void *envoy, text name, text config) {
  (void)envoy, (void)name, (void)config;
  return &something;
}
HOOK(const void *, http_filter_new)(const void *config, void *envoy) {
  (void)config, (void)envoy;
  return &something;
}

/* 0: go on, for heads, bodies and trailers alike. */
HOOK(int, http_filter_request_headers)(void) { return 0; }
HOOK(int, http_filter_request_body)(void) { return 0; }
HOOK(int, http_filter_request_trailers)(void) { return 0; }
HOOK(int, http_filter_response_headers)(void) { return 0; }
HOOK(int, http_filter_response_body)(void) { return 0; }
HOOK(int, http_filter_response_trailers)(void) { return 0; }

IGNORED(http_filter_config_destroy)
IGNORED(http_filter_stream_complete)
IGNORED(http_filter_destroy)
IGNORED(http_filter_http_callout_done)
IGNORED(http_filter_http_stream_headers)
IGNORED(http_filter_http_stream_data)
IGNORED(http_filter_http_stream_trailers)
IGNORED(http_filter_http_stream_complete)
IGNORED(http_filter_http_stream_reset)
IGNORED(http_filter_scheduled)
IGNORED(http_filter_downstream_above_write_buffer_high_watermark)
IGNORED(http_filter_downstream_below_write_buffer_low_watermark)
