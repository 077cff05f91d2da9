use super::*;

const DEFAULTS: Defaults<'_> = Defaults { path: "/", host: "localhost", cluster: "service" };

fn read(text: &str) -> Vec<Call> {
    parse(text, &DEFAULTS).unwrap().calls
}

#[test]
fn times_count_from_the_first_call_and_units_are_those_of_the_titles() {
    let text = "time,duration_s,status,path\n1700000002.5,0.25,reset,/b\n1700000000,1,200,\n";
    let calls = read(text);
    assert_eq!((calls[0].at, calls[1].at), (Duration::ZERO, Duration::from_millis(2500)));
    assert_eq!((calls[0].took, calls[1].took.as_millis()), (Duration::from_secs(1), 250));
    assert_eq!((calls[0].path.as_str(), calls[1].path.as_str()), ("/", "/b"));
    assert_eq!(calls[0].ended, Ended::status(200));
    assert!(calls[1].ended.is_failure());
}

#[test]
fn what_cannot_be_read_is_told_by_its_line() {
    for (text, said) in [
        ("", "empty"),
        ("time,status\n1,200", "line 1: the column `duration`"),
        ("time,duration,state\n", "line 1: no column is called \"state\""),
        ("time,duration,status\n", "no call"),
        ("time,duration,status\n1,2,200\nx,2,200", "line 3: \"x\""),
        ("time,duration,status\n1,-2,200", "line 2: a duration"),
        ("time,duration,status\n1,2,999", "line 2: \"999\" is no status"),
        ("time,duration,status\n1,2", "line 2: there are 2 columns"),
        ("{\"time\": \"now\", \"status\": 200}", "line 1: \"now\""),
        ("one\ntwo\n", "access logs"),
    ] {
        let error = format!("{:#}", parse(text, &DEFAULTS).unwrap_err());
        assert!(error.to_lowercase().contains(&said.to_lowercase()), "{text:?}: {error}");
    }
}

#[test]
fn a_table_may_have_dates_and_the_names_of_logs() {
    let text = "start_time,duration,response_code,authority\r\n\
                2026-01-02T03:04:05.5Z,20,200,shop.example\r\n\"2026-01-02 03:04:06\",20,503,-\r\n";
    let calls = read(text);
    assert_eq!(calls[1].at, Duration::from_millis(500));
    assert_eq!((calls[0].host.as_str(), calls[1].host.as_str()), ("shop.example", "localhost"));
}

const ENVOY: &str = r#"[2026-01-02T03:04:05.310Z] "POST /pay/1?a=b HTTP/2" 503 UF,URX 5 91 1203 - "10.0.0.1, 10.0.0.2" "curl "quoted"" "0c5b" "shop.example:8443" "10.1.2.3:8080""#;
const ISTIO: &str = r#"[2026-01-02T03:04:06.310Z] "GET /pay/2 HTTP/1.1" 200 - via_upstream - "-" 0 18 7 6 "-" "curl/8" "0c5c" "pay.default:8000" "10.1.2.3:8080" outbound|8000||pay.default.svc.cluster.local 10.2.3.4:5 10.2.3.4:6 10.2.3.5:7 - default"#;
const ISTIO_FAILED: &str = r#"[2026-01-02T03:04:07.310Z] "GET /pay/3 HTTP/1.1" 503 UF upstream_reset_before_response_started{connection_failure} - "delayed connect error: 111" 0 18 7 - "-" "curl/8" "0c5c" "pay.default:8000" "10.1.2.3:8080" outbound|8000||pay.default.svc.cluster.local - 10.2.3.4:6 10.2.3.5:7 - default"#;

#[test]
fn an_access_log_in_the_text_format_of_envoy_or_istio_is_read() {
    let calls = read(&[ENVOY, ISTIO, ISTIO_FAILED].join("\n"));
    let [envoy, istio, failed] = &calls[..] else { panic!("{calls:?}") };
    let of = |call: &Call| {
        let Call { method, path, host, cluster, .. } = call;
        [method, path, host, cluster].map(String::clone)
    };
    assert_eq!(of(envoy), ["POST", "/pay/1?a=b", "shop.example:8443", "service"]);
    assert_eq!((envoy.took.as_millis(), envoy.ended.status), (1203, 503));
    assert_eq!(envoy.ended.details, "upstream_reset_before_response_started{connection_failure}");
    let cluster = "outbound|8000||pay.default.svc.cluster.local";
    assert_eq!(of(istio), ["GET", "/pay/2", "pay.default:8000", cluster]);
    assert_eq!((istio.at.as_secs(), istio.took.as_millis()), (1, 7));
    assert_eq!(istio.ended, Ended::status(200));
    assert_eq!((failed.ended.status, failed.took.as_millis()), (503, 7));
    assert!(failed.ended.is_failure());
}

#[test]
fn an_access_log_in_json_is_read_by_the_names_that_gateways_give() {
    let text = r#"{"start_time":"2026-01-02T03:04:05.000Z","method":"GET","x-envoy-origin-path":"/pay","response_code":504,"response_flags":"UT","response_code_details":"response_timeout","duration":1000,":authority":"shop.example","upstream_cluster":"httproute/default/pay/rule/0"}
{"time":"2026-01-02T03:04:07.000Z","path":"/pay","status":"0","details":"-","duration_ms":"12","cluster":null}"#;
    let calls = read(text);
    assert_eq!((calls[0].path.as_str(), calls[0].host.as_str()), ("/pay", "shop.example"));
    assert_eq!(calls[0].cluster, "httproute/default/pay/rule/0");
    assert_eq!(calls[0].ended.details, "response_timeout");
    assert_eq!((calls[1].at.as_secs(), calls[1].took.as_millis()), (2, 12));
    assert!(calls[1].ended.is_aborted());
    assert_eq!(calls[1].cluster, "service");
}

#[test]
fn what_is_no_call_in_a_log_is_passed_over_and_told() {
    let other = "[2026-01-02 03:04:05.000][12][info][main] starting";
    let text = [other, ENVOY, "{\"level\": \"info\"}", "", ISTIO].join("\r\n");
    let trace = parse(&text, &DEFAULTS).unwrap();
    assert_eq!(trace.calls.len(), 2);
    let (count, first) = trace.passed_over.unwrap();
    assert_eq!((count, first.starts_with("line 1: ")), (2, true), "{first}");
    assert!(trace.has_hosts && trace.has_clusters);
}
