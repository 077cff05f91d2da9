//! What the filter costs per request, against an empty filter and a Lua filter.
