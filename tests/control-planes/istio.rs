//! The samples for Istio, by istiod and pilot-agent. The proxy is Envoy as the project's other tests run it, which
//! lacks Istio's own filters (statistics, metadata exchange, ALPN), so those are switched off.

mod agent;
mod control_plane;
mod gateway;
mod gateway_api;
mod mutual_tls;
mod native;
mod page;
mod sidecar;
mod steering;

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!["istio";
        gateway::the_breaker_goes_its_whole_round,
        gateway::with_traffic_extensions_the_breaker_goes_its_whole_round,
        gateway::the_admin_api_of_an_istio_gateway_is_on_loopback_only,
        gateway::the_admin_listener_of_an_istio_gateway_goes_by_the_connections_address,
        gateway::clients_of_an_istio_gateway_control_nothing,
        gateway::changed_settings_keep_the_state_and_lose_no_request,
        gateway::a_wrong_configuration_leaves_the_breaker_as_it_was_and_is_seen,
        gateway::without_an_image_requests_pass_and_it_is_seen,
        gateway::two_pods_have_breakers_of_their_own,
        gateway::while_the_registry_is_away_who_starts_lets_requests_pass,
        gateway::outlier_detection_leaves_a_services_last_host_to_the_breaker,
        sidecar::the_breaker_goes_its_whole_round,
        sidecar::the_admin_api_of_an_istio_sidecar_is_on_loopback_only,
        sidecar::the_admin_listener_of_an_istio_sidecar_goes_by_the_connections_address,
        sidecar::the_application_of_an_istio_sidecar_controls_no_breaker,
        sidecar::another_workloads_calls_are_left_alone,
        gateway_api::the_breaker_goes_its_whole_round,
        gateway_api::the_admin_api_wants_its_token,
        native::a_dynamic_module_goes_the_whole_round,
        native::changed_settings_of_a_dynamic_module_keep_the_state_and_lose_no_request,
        native::a_wrong_configuration_of_a_dynamic_module_holds_the_listeners_up,
        native::without_its_file_a_new_pod_has_no_listeners,
        mutual_tls::health_checks_and_replays_go_by_mutual_tls,
        page::each_command_on_the_page_does_what_it_says,
    ]
}
