use super::*;

const SAMPLE: &str = r#"
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 9901 } } }
static_resources:
  listeners:
    - name: ingress
      address: { socket_address: { address: 127.0.0.1, port_value: 10000 } }
      filter_chains:
        - filters:
            - typed_config:
                http_filters:
                  - typed_config:
                      config:
                        vm_config: { code: { local: { filename: target/wasm/a.wasm } } }
                        configuration:
                          value: |
                            { "services": [ { "name": "payment" } ] }
  clusters:
    - name: payment
      load_assignment:
        endpoints:
          - lb_endpoints:
              - endpoint: { address: { socket_address: { address: downstream, port_value: 8081 } } }
"#;

#[test]
fn listeners_lose_their_fixed_ports() {
    let config = Sample::parse(SAMPLE).unwrap().into_value();
    assert_eq!(
        config.pointer("/static_resources/listeners/0/address/socket_address").unwrap(),
        &json!({ "address": "127.0.0.1", "port_value": 0 })
    );
}

#[test]
fn a_listener_gets_a_given_port() {
    let address = "127.0.0.1:1234".parse().unwrap();
    let config = Sample::parse(SAMPLE).unwrap().listen("ingress", address).unwrap().into_value();
    assert_eq!(
        config.pointer("/static_resources/listeners/0/address/socket_address").unwrap(),
        &json!({ "address": "127.0.0.1", "port_value": 1234 })
    );
}

#[test]
fn endpoints_move() {
    let address = "127.0.0.2:99".parse().unwrap();
    let config = Sample::parse(SAMPLE).unwrap().endpoint(8081, address).unwrap().into_value();
    let endpoint = "/static_resources/clusters/0/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    assert_eq!(
        config.pointer(endpoint).unwrap(),
        &json!({ "address": "127.0.0.2", "port_value": 99 })
    );
}

#[test]
fn a_plugin_gets_another_configuration_and_another_module() {
    let config = Sample::parse(SAMPLE)
        .unwrap()
        .plugin(|configuration| configuration["services"][0]["mode"] = json!("disabled"))
        .unwrap()
        .module("b.wasm")
        .unwrap()
        .into_value();
    let plugin = config
        .pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config")
        .unwrap();
    assert_eq!(plugin["vm_config"]["code"]["local"]["filename"], "b.wasm");
    assert_eq!(
        parse_yaml(plugin["configuration"]["value"].as_str().unwrap()).unwrap(),
        json!({ "services": [{ "name": "payment", "mode": "disabled" }] })
    );
}

#[test]
fn a_change_that_changes_nothing_is_an_error() {
    let address = "127.0.0.1:1234".parse().unwrap();
    let sample = Sample::parse(SAMPLE).unwrap();
    assert!(sample.clone().listen("egress", address).is_err());
    assert!(sample.clone().endpoint(9999, address).is_err());
    let without = Sample::parse("static_resources: {}").unwrap();
    assert!(without.clone().plugin(|_| ()).is_err());
    assert!(without.module("b.wasm").is_err());
}
