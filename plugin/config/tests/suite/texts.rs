//! Configurations: what is taken, and what is refused with which words.

use config::Config;
use serde_json::{Value, json};

use crate::{PAYMENT, service};

fn parse(json: &str) -> Result<Config, String> {
    Config::parse(json.as_bytes()).map_err(|error| error.to_string())
}

/// The message that refuses this, which begins with its JSON path.
fn refusal(config: &Value) -> String {
    parse(&config.to_string()).expect_err("this is to be refused")
}

/// The message that refuses a service with these fields.
fn service_refusal(fields: &Value) -> String {
    refusal(&json!({"services": [service(PAYMENT, fields)]}))
}

// === What is taken

#[test]
fn the_contracts_example_is_taken() {
    // Without the fields that are not known yet.
    let example = r#"{
      "defaults": { "open": { "jitter": 10 } },
      "expose_state": "fallback",
      "services": [{
        "name": "payment-service",
        "match": {
          "hosts": ["payments.example.com", "*.pay.internal"],
          "path_prefixes": ["/payments"],
          "headers": [{ "name": "x-tenant", "exact": "gold" }],
          "clusters": ["payment*"]
        },
        "trip": {
          "consecutive_failures": 3,
          "adaptive": {
            "tolerate": 5, "false_trips": "720h", "shed": true, "latency": true,
            "latency_floor": "1s"
          }
        },
        "classify": {
          "failure_status": ["5xx"],
          "ignore_status": [],
          "failure_grpc_status": [
            "UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"
          ],
          "ignore_grpc_status": [],
          "overflow": "ignore"
        },
        "open": {
          "wait_duration": "0s", "backoff_rate": 2.0, "max_wait_duration": "5m", "jitter": 20,
          "honor_retry_after": true
        },
        "half_open": { "permitted_calls": 1, "success_threshold": 1, "max_wait_duration": "30s" },
        "health_check": {
          "cluster": "payment", "host": "payments.example.com", "method": "GET",
          "path": "/health", "headers": {}, "interval": "5s", "timeout": "1s",
          "healthy_threshold": 1, "expected_status": ["200-299"], "then": "half_open",
          "retry": { "num_retries": 3, "interval": "2s", "backoff_rate": 2.0 }
        },
        "fallback": {
          "cluster": "payment-fallback", "host": "fallback.internal", "on_failure": true,
          "timeout": "5s", "max_request_bytes": 65536,
          "response": {
            "status": 503, "headers": { "content-type": "application/json" },
            "body": "{\"message\":\"try later\"}"
          }
        }
      }],
      "admin": { "path_prefix": "/circuit-breaker", "token": "optional-bearer-token" }
    }"#;
    parse(example).unwrap();
}

#[test]
fn blanks_around_a_configuration_do_not_matter() {
    parse("\n\t {\"services\": [{\"name\": \"a\"}]}\r\n ").unwrap();
    parse("\n{\n\"services\": [{\"name\": \"a\"}]\n}\n").unwrap();
}

#[test]
fn a_thousand_services_are_taken_and_one_too_many_is_refused() {
    let services = |count: usize| -> Value {
        let services = (0..count).map(|number| json!({"name": format!("service-{number}")}));
        json!({"services": services.collect::<Vec<_>>()})
    };
    parse(&services(1024).to_string()).unwrap();
    let refusal = refusal(&services(1025));
    assert!(refusal.starts_with("services: 1025 entries: give at most 1024"), "{refusal}");
}

#[test]
fn the_services_keep_their_order() {
    let config = parse(r#"{"services": [{"name": "b"}, {"name": "a"}, {"name": "c"}]}"#).unwrap();
    assert_eq!(config.service_names().collect::<Vec<_>>(), ["b", "a", "c"]);
}

// === Defaults

#[test]
fn an_error_in_the_defaults_is_reported_with_its_path_there() {
    for (defaults, path) in [
        (json!({"open": {"wait_duration": "0s"}}), "defaults.open.wait_duration"),
        (json!({"half_open": {"permitted_calls": 0}}), "defaults.half_open.permitted_calls"),
        (json!({"trip": {}}), "defaults.trip"),
        (json!({"fallback": {"timeout": "0s"}}), "defaults.fallback.timeout"),
        (json!({"health_check": {"cluster": "c", "path": "x"}}), "defaults.health_check.path"),
    ] {
        let refusal = refusal(&json!({"defaults": defaults, "services": [{"name": "a"}]}));
        assert!(refusal.starts_with(&format!("{path}: ")), "{refusal}");
    }
}

// === What is refused

#[test]
fn bytes_that_are_no_configuration_are_refused() {
    for (text, fragment) in [
        (r#"{"services": []}"#, "services: []: name at least one service"),
        (r#"{"services": []}"#, r#"such as {"name": "payment-service"}"#),
        ("[]", "configuration: "),
        ("{ not JSON", "configuration: key must be a string"),
        ("5", "configuration: invalid type: integer `5`, expected an object"),
        (r#"{"": 1}"#, "configuration: unknown field ``"),
        ("null", "configuration: invalid type: null, expected an object"),
        (r#"{"services": ["#, "services: EOF"),
        (r#"{"services": [{"name": "a"}]} x"#, "nothing may follow the JSON object"),
        (r#"{"services": [{"name": "a"}]}{}"#, "nothing may follow the JSON object"),
        (r#"{"services": [{"name": "a"},]}"#, "trailing comma"),
        (r#"{"services": {}}"#, "services: invalid type: map, expected a sequence"),
        ("{\"services\": [{\"name\": \"\u{0}\"}]}", "control character"),
    ] {
        let refusal = parse(text).unwrap_err();
        assert!(refusal.contains(fragment), "{text:?}\n{refusal}");
    }
    assert!(Config::parse(b"\xff\xfe").is_err());
    assert!(Config::parse("[".repeat(10_000).as_bytes()).is_err());
}

#[test]
fn each_refusal_has_path_value_and_remedy() {
    let of = |fields: &str| format!(r#"{{"services": [{{"name": "a", {fields}}}]}}"#);
    for (text, path, value, remedy) in [
        // What the JSON reader says.
        ("5".to_owned(), "configuration", "5", "give an object"),
        ("null".to_owned(), "configuration", "null", "give an object"),
        (r#"{"services": {}}"#.to_owned(), "services", "an object", "give a sequence"),
        (r#"{"services": [{}]}"#.to_owned(), "services[0]", "nothing", "give `name`"),
        (of(r#""name": "b""#), "services[0]", r#""name""#, "give it once"),
        (of(r#""open": []"#), "services[0].open", "a list", "give an object"),
        (of(r#""match": {"hosts": "a"}"#), "services[0].match.hosts", r#""a""#, "give a sequence"),
        (
            of(r#""half_open": {"permitted_calls": -1}"#),
            "services[0].half_open.permitted_calls",
            "-1",
            "give a whole number from 0 to 4294967295",
        ),
        (
            of(r#""open": {"backoff_rate": 0.5}"#),
            "services[0].open.backoff_rate",
            "0.5",
            "give a factor from 1 to 100, such as 2.0",
        ),
        (
            of(r#""open": {"honor_retry_after": "a, expected b"}"#),
            "services[0].open.honor_retry_after",
            r#""a, expected b""#,
            "give a boolean",
        ),
        (
            of(r#""trip": {"a`, expected `b": 1}"#),
            "services[0].trip.a`, expected `b",
            r#""a`, expected `b""#,
            "give one of `consecutive_failures`, `failure_rate_threshold`, `slow_call_rate_threshold`, \
             `slow_call_duration_threshold`, `count_overdue`, `minimum_number_of_calls`, \
             `sliding_window_type`, `sliding_window_size`, `adaptive`",
        ),
        (
            of(r#""classify": {"overflow": "maybe"}"#),
            "services[0].classify.overflow",
            r#""maybe""#,
            "give `failure` or `ignore`",
        ),
        (
            of(r#""classify": {"overflow": 5}"#),
            "services[0].classify.overflow",
            "5",
            "give one of `failure`, `ignore`",
        ),
        // JSON that is damaged.
        (
            "{\n not JSON".to_owned(),
            "configuration",
            "not",
            "mend the JSON: key must be a string at line 2 column 2",
        ),
        (
            r#"{"services": ["#.to_owned(),
            "services",
            "nothing",
            "mend the JSON: EOF while parsing a list at line 1 column 14",
        ),
        // What the filter says.
        (
            of(r#""trip": {"consecutive_failures": 0}"#),
            "services[0].trip.consecutive_failures",
            "0",
            "give at least 1",
        ),
        (
            r#"{"services": [{"name": "a b"}]}"#.to_owned(),
            "services[0].name",
            r#""a b""#,
            "use 1 to 128 letters, digits, `-`, `_`, `.` or `~`, and `{cluster}`, `{host}` or \
             `{route}` for what is known of a request",
        ),
        (
            r#"{"services": [{"name": "a"}], "admin": {"token": "not one"}}"#.to_owned(),
            "admin.token",
            "unusable",
            "give printable ASCII without spaces, or leave the field out",
        ),
    ] {
        let error = Config::parse(text.as_bytes()).unwrap_err();
        assert_eq!((error.path(), error.value(), error.remedy()), (path, value, remedy), "{error}");
    }
}

#[test]
fn a_protobuf_struct_is_refused_with_the_hint_to_use_a_string() {
    fn field(key: &str, value: &[u8]) -> Vec<u8> {
        let mut entry = vec![0x0a, u8::try_from(key.len()).unwrap()];
        entry.extend_from_slice(key.as_bytes());
        entry.extend_from_slice(&[0x12, u8::try_from(value.len()).unwrap()]);
        entry.extend_from_slice(value);
        let mut field = vec![0x0a, u8::try_from(entry.len()).unwrap()];
        field.extend(entry);
        field
    }
    let fallback = field("expose_state", b"\x1a\x06always");
    // An entry of this length begins with what would be an opening brace.
    let braced = field("services", &[b'x'; 111]);
    assert_eq!(braced[1], b'{');
    for bytes in [fallback, braced, field("a", &[b' '; 5])] {
        let refusal = Config::parse(&bytes).unwrap_err();
        assert_eq!(refusal.path(), "configuration");
        assert!(refusal.to_string().contains("StringValue"), "{refusal}");
    }
    let misspelt = Config::parse(b"\n{\n\t\"servces\": []\n}").unwrap_err().to_string();
    assert!(misspelt.contains("unknown field `servces`"), "a blank line is no Struct: {misspelt}");
}

#[test]
fn unknown_and_misspelt_keys_are_refused_with_those_that_are_known() {
    for (config, path) in [
        (json!({"serivces": []}), "serivces"),
        (json!({"services": [], "defaults": {"name": "a"}}), "defaults.name"),
        (json!({"services": [], "defaults": {"match": {}}}), "defaults.match"),
        (json!({"services": [], "admin": {"prefix": "/"}}), "admin.prefix"),
        (json!({"max_service": 5}), "max_service"),
        (json!({"notify": {"url": ""}}), "notify.url"),
        (json!({"fleet": {"tables": ""}}), "fleet.tables"),
    ] {
        let refusal = refusal(&config);
        assert!(refusal.starts_with(&format!("{path}: unknown field `")), "{refusal}");
        assert!(refusal.contains("expected "), "{refusal}");
    }
    for (field, object) in [
        ("modes", json!({"modes": "enabled"})),
        ("bulkheads", json!({"bulkheads": {}})),
        ("bulkhead.max_calls", json!({"bulkhead": {"max_calls": 1}})),
        ("Trip", json!({"Trip": {}})),
        ("match.host", json!({"match": {"host": []}})),
        ("match.headers[0].regex", json!({"match": {"headers": [{"name": "a", "regex": ""}]}})),
        ("trip.failure_rate", json!({"trip": {"failure_rate": 50}})),
        ("classify.failure_statuses", json!({"classify": {"failure_statuses": []}})),
        ("open.wait", json!({"open": {"wait": "1s"}})),
        ("half_open.ramp", json!({"half_open": {"ramp": "1s"}})),
        ("health_check.url", json!({"health_check": {"url": ""}})),
        ("health_check.retry.retries", json!({"health_check": {"retry": {"retries": 1}}})),
        ("fallback.stales", json!({"fallback": {"stales": {}}})),
        ("fallback.response.code", json!({"fallback": {"response": {"code": 500}}})),
    ] {
        let refusal = service_refusal(&object);
        let start = format!("services[0].{field}: unknown field `");
        assert!(refusal.starts_with(&start), "{refusal}");
        assert!(refusal.contains("expected "), "{refusal}");
    }
}

#[test]
fn a_fleet_that_cannot_agree_is_refused() {
    let fleet = |fields: Value| {
        let mut fleet = json!({"store": "etcd", "cluster": "etcd"});
        for (field, value) in fields.as_object().unwrap() {
            fleet[field] = value.clone();
        }
        json!({"fleet": fleet})
    };
    for (fields, told) in [
        (
            json!({"store": "redis"}),
            "fleet.store: unknown variant `redis`, expected `dynamodb` or `etcd`",
        ),
        (json!({"store": null}), "fleet.store: absent: say which store the fleet has"),
        (json!({"cluster": null}), "fleet.cluster: absent: name the store's cluster"),
        (
            json!({"timeout": "2s"}),
            r#"fleet.timeout: "2s": give at most fleet.sync_interval, "1s""#,
        ),
        (
            json!({"max_staleness": "2s"}),
            r#"fleet.max_staleness: "2s": give from "3s", 3 times fleet.sync_interval, to "1h""#,
        ),
        (json!({"max_staleness": "2h"}), r#"fleet.max_staleness: "2h": give from "3s""#),
        (
            json!({"sync_interval": "10ms"}),
            r#"fleet.sync_interval: "10ms": give from "100ms" to "1m""#,
        ),
        (json!({"quorum": 0}), "fleet.quorum: 0"),
        (json!({"prefix": ""}), "fleet.prefix: \"\": give 1 to 128 letters"),
        (json!({"prefix": "a/"}), "fleet.prefix: \"a/\": give 1 to 128 letters"),
        (json!({"prefix": "a b"}), "fleet.prefix: \"a b\": give 1 to 128 letters"),
        (json!({"table": "state"}), "fleet.table: present: leave it out: etcd is one region"),
        (json!({"region": "a"}), "fleet.region: present: leave it out"),
        (json!({"regions": ["a"]}), "fleet.regions: present: leave it out"),
        (json!({"scope": "global"}), "fleet.scope: \"global\": leave it out: etcd is one region"),
        (json!({"store": "dynamodb"}), "fleet.table: absent: name the table"),
        (
            json!({"store": "dynamodb", "table": "state"}),
            "fleet.region: absent: name the region of this proxy",
        ),
        (
            json!({"store": "dynamodb", "table": "a b", "region": "eu-west-1"}),
            "fleet.table: \"a b\": give 3 to 255 letters",
        ),
        (
            json!({"store": "dynamodb", "table": "state", "region": "EU"}),
            "fleet.region: \"EU\": give a region",
        ),
        (
            json!({"store": "dynamodb", "table": "state", "region": "a", "regions": ["b", "C"]}),
            "fleet.regions[1]: \"C\": give a region",
        ),
        (
            json!({"store": "dynamodb", "table": "state", "region": "a", "prefix": "b"}),
            "fleet.prefix: present: leave it out",
        ),
    ] {
        let refusal = refusal(&fleet(fields));
        assert!(refusal.starts_with(told), "{refusal}");
    }
    // Where others are longer, so are these.
    let config = parse(&fleet(json!({"sync_interval": "10s"})).to_string()).unwrap();
    let read = config.fleet.unwrap();
    assert_eq!((read.timeout.as_millis(), read.max_staleness.as_secs()), (500, 30));
    let config = parse(&fleet(json!({"sync_interval": "200ms"})).to_string()).unwrap();
    assert_eq!(config.fleet.unwrap().timeout.as_millis(), 200);
    assert!(config.services.iter().all(|service| service.in_fleet));
    let dynamodb = json!({"store": "dynamodb", "table": "state", "region": "a", "regions": ["b"]});
    let read = parse(&fleet(dynamodb).to_string()).unwrap().fleet.unwrap();
    assert_eq!(read.host, "dynamodb.a.amazonaws.com");
    let config::Store::DynamoDb { regions, .. } = read.store else { panic!("{read:?}") };
    assert_eq!(regions, ["b", "a"]);
}

#[test]
fn a_key_that_is_given_twice_is_refused() {
    let refusal = parse(r#"{"services": [{"name": "a", "name": "b"}]}"#).unwrap_err();
    assert!(refusal.starts_with("services[0]: duplicate field `name`"), "{refusal}");
}

#[test]
fn names_are_plain_and_tell_services_apart() {
    for name in ["", "a b", "a/b", "{path}", "{cluster", "a;b", "a=b", "é", &"x".repeat(129)] {
        let refusal = refusal(&json!({"services": [{"name": name}]}));
        let start = format!("services[0].name: {name:?}: use 1 to 128 letters");
        assert!(refusal.starts_with(&start), "{refusal}");
    }
    parse(&json!({"services": [{"name": "x".repeat(128)}]}).to_string()).unwrap();
    parse(&json!({"services": [{"name": "Az09-_.~"}]}).to_string()).unwrap();
    let missing = refusal(&json!({"services": [{}]}));
    assert!(missing.starts_with("services[0]: missing field `name`"), "{missing}");
    // In metrics a dot is written as an underscore, so that these two would be one.
    for second in ["a.b", "a_b"] {
        let refusal = refusal(&json!({"services": [{"name": "a.b"}, {"name": second}]}));
        let start = format!("services[1].name: {second:?}: give each service a name of its own");
        assert!(refusal.starts_with(&start), "{refusal}");
    }
}

/// What a service's field is refused with: the value, and what would be right.
#[test]
fn every_refusal_names_path_value_and_remedy() {
    let check = |fields: Value| -> Value {
        let mut check = json!({"cluster": "c", "path": "/"});
        for (field, value) in fields.as_object().unwrap() {
            check[field] = value.clone();
        }
        json!({"health_check": check})
    };
    let cases = [
        // match
        (json!({"match": {"hosts": []}}), "match.hosts", "[]", "leave the field out"),
        (json!({"match": {"hosts": ["a/b"]}}), "match.hosts[0]", r#""a/b""#, "a host name"),
        (
            json!({"match": {"hosts": ["a", "**"]}}),
            "match.hosts[1]",
            r#""**""#,
            r#"a leading "*.""#,
        ),
        (json!({"match": {"hosts": ["a", "*a"]}}), "match.hosts[1]", r#""*a""#, r#"or "*","#),
        (json!({"match": {"hosts": ["a.*"]}}), "match.hosts[0]", r#""a.*""#, r#"a leading "*.""#),
        (json!({"match": {"hosts": [""]}}), "match.hosts[0]", r#""""#, "a host name"),
        (json!({"match": {"path_prefixes": ["a"]}}), "match.path_prefixes[0]", r#""a""#, "a slash"),
        (
            json!({"match": {"clusters": [""]}}),
            "match.clusters[0]",
            r#""""#,
            "the name of a cluster",
        ),
        (
            json!({"match": {"headers": [{"name": "x"}]}}),
            "match.headers[0]",
            r#"{"name":"x"}"#,
            "exactly one of `exact`, `prefix` and `present`",
        ),
        (
            json!({"match": {"headers": [{"name": "x", "exact": "a", "prefix": "b"}]}}),
            "match.headers[0]",
            r#"{"name":"x","exact":"a","prefix":"b"}"#,
            "exactly one of",
        ),
        (
            json!({"match": {"headers": [{"name": "a b", "present": true}]}}),
            "match.headers[0]",
            r#""a b""#,
            "the name of a header",
        ),
        // trip
        (json!({"trip": {}}), "trip", "{}", r#"{"consecutive_failures": 3}"#),
        (
            json!({"trip": {"consecutive_failures": 0}}),
            "trip.consecutive_failures",
            "0",
            "at least 1",
        ),
        (
            json!({"trip": {"consecutive_failures": -1}}),
            "trip.consecutive_failures",
            "`-1`",
            "a whole number",
        ),
        (
            json!({"trip": {"consecutive_failures": 2.5}}),
            "trip.consecutive_failures",
            "`2.5`",
            "a whole number",
        ),
        (
            json!({"trip": {"consecutive_failures": "3"}}),
            "trip.consecutive_failures",
            r#""3""#,
            "a whole number",
        ),
        (
            json!({"trip": {"consecutive_failures": 4_294_967_296_u64}}),
            "trip.consecutive_failures",
            "`4294967296`",
            "from 0 to 4294967295",
        ),
        (
            json!({"trip": {"adaptive": {"tolerate": 31}}}),
            "trip.adaptive.tolerate",
            "`31`",
            "a percentage from 0.1 to 30",
        ),
        (
            json!({"trip": {"adaptive": {"false_trips": "59m"}}}),
            "trip.adaptive.false_trips",
            "\"59m\"",
            "give at least \"1h\"",
        ),
        (
            json!({"trip": {"adaptive": {"false_trips": "8761h"}}}),
            "trip.adaptive.false_trips",
            "\"8761h\"",
            "a duration of at most a year, such as \"720h\"",
        ),
        (
            json!({"trip": {"failure_rate_threshold": 0}}),
            "trip.failure_rate_threshold",
            "`0`",
            "over 0",
        ),
        (
            json!({"trip": {"failure_rate_threshold": 100.5}}),
            "trip.failure_rate_threshold",
            "`100.5`",
            "up to 100",
        ),
        (
            json!({"trip": {"failure_rate_threshold": "50%"}}),
            "trip.failure_rate_threshold",
            r#""50%""#,
            "a percentage",
        ),
        (
            json!({"trip": {"slow_call_rate_threshold": 80}}),
            "trip.slow_call_duration_threshold",
            "absent",
            r#"such as "2s""#,
        ),
        (
            json!({"trip": {"consecutive_failures": 3, "slow_call_duration_threshold": "2s"}}),
            "trip.slow_call_duration_threshold",
            r#""2s""#,
            "a slow_call_rate_threshold",
        ),
        (
            json!({"trip": {"consecutive_failures": 3, "count_overdue": false}}),
            "trip.count_overdue",
            "false",
            "a slow_call_rate_threshold",
        ),
        (
            json!({"trip": {
                "slow_call_rate_threshold": 80, "slow_call_duration_threshold": "0s"
            }}),
            "trip.slow_call_duration_threshold",
            r#""0s""#,
            "give more",
        ),
        (
            json!({"trip": {"consecutive_failures": 3, "sliding_window_size": "10s"}}),
            "trip.sliding_window_size",
            r#""10s""#,
            "belongs to a failure_rate_threshold or slow_call_rate_threshold",
        ),
        (
            json!({"trip": {"consecutive_failures": 3, "minimum_number_of_calls": 5}}),
            "trip.minimum_number_of_calls",
            "5",
            "belongs to a failure_rate_threshold or slow_call_rate_threshold",
        ),
        (
            json!({"trip": {"consecutive_failures": 3, "sliding_window_type": "count_based"}}),
            "trip.sliding_window_type",
            r#""count_based""#,
            "belongs to a failure_rate_threshold or slow_call_rate_threshold",
        ),
        (
            json!({"trip": {"failure_rate_threshold": 50, "sliding_window_type": "tumbling"}}),
            "trip.sliding_window_type",
            "`tumbling`",
            "`time_based` or `count_based`",
        ),
        (
            json!({"trip": {"failure_rate_threshold": 50, "sliding_window_size": "500ms"}}),
            "trip.sliding_window_size",
            r#""500ms""#,
            r#"at least "1s""#,
        ),
        (
            json!({"trip": {"failure_rate_threshold": 50, "sliding_window_size": 0}}),
            "trip.sliding_window_size",
            "0",
            "at least 1",
        ),
        (
            json!({"trip": {"failure_rate_threshold": 50, "sliding_window_size": 1025}}),
            "trip.sliding_window_size",
            "1025",
            "at most 1024",
        ),
        (
            json!({"trip": {"failure_rate_threshold": 50, "sliding_window_size": 2.5}}),
            "trip.sliding_window_size",
            "`2.5`",
            "a whole number of calls",
        ),
        (
            json!({"trip": {
                "failure_rate_threshold": 50,
                "sliding_window_type": "time_based", "sliding_window_size": 100
            }}),
            "trip.sliding_window_size",
            "100",
            r#"a duration, such as "10s""#,
        ),
        (
            json!({"trip": {
                "failure_rate_threshold": 50,
                "sliding_window_type": "count_based", "sliding_window_size": "10s"
            }}),
            "trip.sliding_window_size",
            r#""10s""#,
            "a number of calls, such as 100",
        ),
        (
            json!({"trip": {"failure_rate_threshold": 50, "minimum_number_of_calls": 0}}),
            "trip.minimum_number_of_calls",
            "0",
            "at least 1",
        ),
        // Row 10: it would never trip.
        (
            json!({"trip": {
                "failure_rate_threshold": 50,
                "sliding_window_size": 10, "minimum_number_of_calls": 11
            }}),
            "trip.minimum_number_of_calls",
            "11",
            "the window holds 10 calls, so it would never trip",
        ),
        // classify
        (
            json!({"classify": {"failure_status": ["6xx"]}}),
            "classify.failure_status[0]",
            r#""6xx""#,
            r#""5xx", "429" or "200-299""#,
        ),
        (
            json!({"classify": {"failure_status": [503]}}),
            "classify.failure_status[0]",
            "`503`",
            r#""5xx", "429" or "200-299""#,
        ),
        (
            json!({"classify": {"ignore_status": "404"}}),
            "classify.ignore_status",
            r#""404""#,
            "a list of statuses",
        ),
        (
            json!({"classify": {"failure_grpc_status": ["Unavailable"]}}),
            "classify.failure_grpc_status[0]",
            r#""Unavailable""#,
            r#""UNAVAILABLE""#,
        ),
        (
            json!({"classify": {"ignore_grpc_status": [14]}}),
            "classify.ignore_grpc_status[0]",
            "`14`",
            r#""UNAVAILABLE""#,
        ),
        (
            json!({"classify": {"overflow": "count"}}),
            "classify.overflow",
            "`count`",
            "`failure` or `ignore`",
        ),
        // open
        (
            json!({"open": {"wait_duration": "5"}}),
            "open.wait_duration",
            r#""5""#,
            r#""250ms", "30s" or "1m30s""#,
        ),
        (
            json!({"open": {"wait_duration": 5}}),
            "open.wait_duration",
            "`5`",
            r#""250ms", "30s" or "1m30s""#,
        ),
        (
            json!({"open": {"wait_duration": "25h"}}),
            "open.wait_duration",
            r#""25h""#,
            "at most a day",
        ),
        (
            json!({"open": {"wait_duration": "0s"}}),
            "open.wait_duration",
            r#""0s""#,
            r#"give one, such as "30s""#,
        ),
        (
            json!({"open": {"wait_duration": "90s", "max_wait_duration": "1m"}}),
            "open.max_wait_duration",
            r#""1m""#,
            r#"open.wait_duration, "1m30s""#,
        ),
        (json!({"open": {"backoff_rate": 0.5}}), "open.backoff_rate", "`0.5`", "from 1 to 100"),
        (json!({"open": {"backoff_rate": 101}}), "open.backoff_rate", "`101`", "from 1 to 100"),
        (json!({"open": {"backoff_rate": "2"}}), "open.backoff_rate", r#""2""#, "from 1 to 100"),
        (json!({"open": {"jitter": 101}}), "open.jitter", "`101`", "from 0 to 100"),
        (json!({"open": {"jitter": -1}}), "open.jitter", "`-1`", "from 0 to 100"),
        (
            json!({"open": {"honor_retry_after": "yes"}}),
            "open.honor_retry_after",
            r#""yes""#,
            "a boolean",
        ),
        (json!({"open": null}), "open", "null", "an object"),
        // half_open
        (
            json!({"half_open": {"permitted_calls": 0}}),
            "half_open.permitted_calls",
            "0",
            "at least 1",
        ),
        (
            json!({"half_open": {"permitted_calls": 33}}),
            "half_open.permitted_calls",
            "33",
            "at most 32",
        ),
        (
            json!({"half_open": {"success_threshold": 0}}),
            "half_open.success_threshold",
            "0",
            "at least 1",
        ),
        (
            json!({"half_open": {"success_threshold": 2}}),
            "half_open.success_threshold",
            "2",
            "half_open.permitted_calls (1)",
        ),
        (
            json!({"half_open": {"max_wait_duration": "9ms"}}),
            "half_open.max_wait_duration",
            r#""9ms""#,
            r#"at least "10ms""#,
        ),
        // health_check
        (
            json!({"health_check": {"path": "/"}}),
            "health_check.cluster",
            "absent",
            r#"such as "payment""#,
        ),
        (
            json!({"health_check": {"cluster": "c"}}),
            "health_check.path",
            "absent",
            r#"such as "/health""#,
        ),
        (check(json!({"cluster": ""})), "health_check.cluster", r#""""#, "the name of a cluster"),
        (
            check(json!({"path": "health"})),
            "health_check.path",
            r#""health""#,
            "begin with a slash",
        ),
        (check(json!({"path": "/a b"})), "health_check.path", r#""/a b""#, "escape"),
        (check(json!({"host": ""})), "health_check.host", r#""""#, "give a host"),
        (check(json!({"host": "http://a"})), "health_check.host", r#""http://a""#, "give a host"),
        (check(json!({"method": "GET /"})), "health_check.method", r#""GET /""#, r#""GET""#),
        (
            check(json!({"headers": {"a b": "c"}})),
            "health_check.headers",
            r#""a b""#,
            "letters, digits",
        ),
        (
            check(json!({"headers": {":path": "/"}})),
            "health_check.headers",
            r#"":path""#,
            "letters, digits",
        ),
        (
            check(json!({"headers": {"a": "b\r\nc: d"}})),
            "health_check.headers.a",
            r#""b\r\nc: d""#,
            "control characters",
        ),
        (
            check(json!({"headers": {"Host": "a"}})),
            "health_check.headers.host",
            r#""a""#,
            "leave it out",
        ),
        (
            check(json!({"interval": "9ms"})),
            "health_check.interval",
            r#""9ms""#,
            r#"at least "10ms""#,
        ),
        (check(json!({"timeout": "0s"})), "health_check.timeout", r#""0s""#, r#"at least "1ms""#),
        (
            check(json!({"timeout": "6s"})),
            "health_check.timeout",
            r#""6s""#,
            r#"the interval, "5s""#,
        ),
        (
            check(json!({"healthy_threshold": 0})),
            "health_check.healthy_threshold",
            "0",
            "at least 1",
        ),
        (
            check(json!({"expected_status": ["ok"]})),
            "health_check.expected_status[0]",
            r#""ok""#,
            r#""200-299""#,
        ),
        (
            check(json!({"then": "closed"})),
            "health_check.then",
            "`closed`",
            "`close` or `half_open`",
        ),
        (
            check(json!({"retry": {"interval": "0s"}})),
            "health_check.retry.interval",
            r#""0s""#,
            r#"at least "10ms""#,
        ),
        (
            check(json!({"retry": {"backoff_rate": 0}})),
            "health_check.retry.backoff_rate",
            "`0`",
            "from 1 to 100",
        ),
        // fallback
        (
            json!({"fallback": {"cluster": ""}}),
            "fallback.cluster",
            r#""""#,
            "the name of a cluster",
        ),
        (
            json!({"fallback": {"cluster": "f", "host": "a b"}}),
            "fallback.host",
            r#""a b""#,
            "give a host",
        ),
        (
            json!({"fallback": {"cluster": "f", "timeout": "0s"}}),
            "fallback.timeout",
            r#""0s""#,
            r#"at least "1ms""#,
        ),
        (
            json!({"fallback": {"cluster": "f", "max_request_bytes": 16_777_217}}),
            "fallback.max_request_bytes",
            "16777217",
            "at most 16777216",
        ),
        (
            json!({"fallback": {"on_failure": true}}),
            "fallback.on_failure",
            "true",
            "give one of them",
        ),
        (
            json!({"fallback": {"response": {"status": 199}}}),
            "fallback.response.status",
            "199",
            "from 200 to 599",
        ),
        (
            json!({"fallback": {"response": {"status": 70_000}}}),
            "fallback.response.status",
            "70000",
            "from 200 to 599",
        ),
        (
            json!({"fallback": {"response": {"headers": {"Content-Length": "3"}}}}),
            "fallback.response.headers.content-length",
            r#""3""#,
            "leave it out",
        ),
        (
            json!({"fallback": {"response": {"headers": {"x-circuit-breaker-state": "OK"}}}}),
            "fallback.response.headers.x-circuit-breaker-state",
            r#""OK""#,
            "leave it out",
        ),
    ];
    for (fields, path, value, remedy) in cases {
        let refusal = service_refusal(&fields);
        assert!(refusal.starts_with(&format!("services[0].{path}: ")), "{fields}\n{refusal}");
        assert!(refusal.contains(value), "{fields}\n{refusal}");
        assert!(refusal.contains(remedy), "{fields}\n{refusal}");
    }
}

/// Row 20: the fallback must not call the failing service.
#[test]
fn a_fallback_that_is_the_protected_or_the_checked_cluster_is_refused() {
    for (fields, whose) in [
        (
            json!({"match": {"clusters": ["a", "c"]}, "fallback": {"cluster": "c"}}),
            "match.clusters",
        ),
        (
            json!({"health_check": {"cluster": "c", "path": "/"}, "fallback": {"cluster": "c"}}),
            "health_check.cluster",
        ),
    ] {
        let refusal = service_refusal(&fields);
        let start =
            format!("services[0].fallback.cluster: \"c\": it is also in {whose}: a fallback");
        assert!(refusal.starts_with(&start), "{refusal}");
    }
    let inherited = json!({
        "defaults": {"fallback": {"cluster": "c"}},
        "services": [{"name": "a", "match": {"clusters": ["c"]}}]
    });
    assert!(refusal(&inherited).contains("a fallback must not call the failing service"));
    // A pattern may well stand for both: `payment*` and `payment-fallback`.
    let pattern = json!({"match": {"clusters": ["c*"]}, "fallback": {"cluster": "c-fallback"}});
    parse(&json!({"services": [service(PAYMENT, &pattern)]}).to_string()).unwrap();
}

#[test]
fn admin_settings_are_checked_and_the_token_is_not_shown() {
    for (admin, path, remedy) in [
        (json!({"path_prefix": "x"}), "admin.path_prefix: \"x\"", "begin with a slash"),
        (json!({"path_prefix": "/"}), "admin.path_prefix: \"/\"", "end without one"),
        (json!({"path_prefix": "/a?b"}), "admin.path_prefix: \"/a?b\"", "begin with a slash"),
        (json!({"token": ""}), "admin.token", "leave the field out"),
        (json!({"token": "my secret"}), "admin.token", "without spaces"),
        (json!({"hosts": "localhost"}), "admin.hosts", "expected a sequence"),
    ] {
        let refusal = refusal(&json!({"services": [{"name": "a"}], "admin": admin}));
        assert!(refusal.starts_with(path), "{refusal}");
        assert!(refusal.contains(remedy) && !refusal.contains("secret"), "{refusal}");
    }
    let refusal = refusal(&json!({"services": [{"name": "a"}], "expose_state": "sometimes"}));
    assert!(refusal.starts_with("expose_state: unknown variant `sometimes`"), "{refusal}");
    assert!(refusal.contains("`always`, `fallback`, `never`"), "{refusal}");
}

#[test]
fn an_admin_host_is_one_host_and_no_pattern() {
    let admin = |host: &str| json!({"services": [{"name": "a"}], "admin": {"hosts": ["ok.internal", host]}});
    for host in [
        "breaker.internal",
        "breaker.internal:10001",
        "Breaker-1_a.internal",
        "10.0.0.7",
        "[fd00::7]",
        "[fd00::7]:10001",
        "[::ffff:10.0.0.7]:1",
        "localhost",
    ] {
        parse(&admin(host).to_string()).unwrap();
    }
    for host in [
        "",
        "*",
        "*.internal",
        "http://breaker.internal",
        "breaker.internal/",
        "breaker.internal:",
        "breaker.internal:http",
        "me@breaker.internal",
        "breaker internal",
        "a,b",
        ":10001",
        "fd00::7",
        "::1",
        "[]",
        "[fd00::7",
        "[*]:1",
        "b\u{fc}cher.internal",
    ] {
        let refusal = refusal(&admin(host));
        assert!(
            refusal.starts_with(&format!("admin.hosts[1]: {host:?}: give a host")),
            "{refusal}"
        );
    }
    for none in [json!({"hosts": []}), json!({"hosts": null}), json!({})] {
        parse(&json!({"services": [{"name": "a"}], "admin": none}).to_string()).unwrap();
    }
}

#[test]
fn an_origin_is_one_as_browsers_write_it_and_takes_a_token() {
    let admin = |token: &Value, origin: &str| {
        let admin = json!({"token": token, "origins": ["http://ok.example", origin]});
        json!({"services": [{"name": "a"}], "admin": admin})
    };
    for origin in ["https://ops.example", "https://ops.example:8443", "http://[::1]:1"] {
        parse(&admin(&json!("t"), origin).to_string()).unwrap();
        let refusal = refusal(&admin(&Value::Null, origin));
        assert!(refusal.starts_with("admin.origins[0]: \"http://ok.example\": it takes a token"));
    }
    for origin in [
        "",
        "*",
        "null",
        "ops.example",
        "https://*",
        "https://*.example",
        "https://ops.example/",
        "https://ops.example/page",
        "https://ops.example:443",
        "http://ops.example:80",
        "https://Ops.example",
        "https://me@ops.example",
        "https://a.example, https://b.example",
        "ftp://ops.example",
        "HTTPS://ops.example",
    ] {
        let refusal = refusal(&admin(&json!("t"), origin));
        let expected = format!("admin.origins[1]: {origin:?}: give one origin");
        assert!(refusal.starts_with(&expected), "{refusal}");
    }
    for none in [json!({"origins": [], "peers": []}), json!({"origins": null})] {
        parse(&json!({"services": [{"name": "a"}], "admin": none}).to_string()).unwrap();
    }
}

#[test]
fn a_peer_is_the_address_of_an_admin_api_and_takes_a_token() {
    let admin = |token: &Value, peer: &str| {
        let admin = json!({"token": token, "peers": [peer], "path_prefix": "/own"});
        json!({"services": [{"name": "a"}], "admin": admin})
    };
    for (peer, address) in [
        ("https://b.example:10001", "https://b.example:10001/own"),
        ("http://[::1]:9/ops/breaker", "http://[::1]:9/ops/breaker"),
    ] {
        let config = parse(&admin(&json!("t"), peer).to_string()).unwrap();
        assert_eq!(config.admin.unwrap().peers, [address]);
        assert!(refusal(&admin(&Value::Null, peer)).contains("it takes a token"));
    }
    for peer in [
        "",
        "*",
        "b.example",
        "https://*",
        "https://b.example/",
        "https://b.example/ops/",
        "https://b.example/ops; script-src *",
        "https://b.example/a,b",
        "https://b.example/a b",
        "https://b.example/'self'",
        "https://b.example?x",
        "javascript://b.example",
    ] {
        let refusal = refusal(&admin(&json!("t"), peer));
        let expected = format!("admin.peers[0]: {peer:?}: give the address");
        assert!(refusal.starts_with(&expected), "{refusal}");
    }
}

#[test]
fn a_number_that_is_out_of_range_is_a_wrong_value_of_the_right_type() {
    for config in
        [json!({"max_services": -1}), json!({"services": [{"trip": {"sliding_window_size": 2.5}}]})]
    {
        let refusal = Config::parse(config.to_string().as_bytes()).unwrap_err().to_string();
        assert!(refusal.contains("invalid value: "), "{refusal}");
    }
}

#[test]
fn of_a_header_that_is_given_twice_the_last_counts() {
    let headers = r#"{"b": "1", "c": "2", "b": "3", "a": "4"}"#;
    let check = format!(r#"{{"cluster": "c", "path": "/", "headers": {headers}}}"#);
    let config = format!(r#"{{"services": [{{"name": "s", "health_check": {check}}}]}}"#);
    let config = Config::parse(config.as_bytes()).unwrap();
    let headers = format!("{:?}", config.services[0].probe.as_ref().unwrap().headers);
    assert!(headers.contains(r#"("a", "4"), ("b", "3"), ("c", "2")"#), "{headers}");
}
