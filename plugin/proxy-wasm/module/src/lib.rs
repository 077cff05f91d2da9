//! The module that proxies load: the shell as it is, linked for size. The closed path is compiled in
//! the shell, for speed; what a function is compiled for stays so when all are linked.

use plugin_proxy_wasm as _;
