//! The sample for Envoy Gateway, by its Kubernetes provider. Nobody runs the `Deployment` that it writes for a proxy,
//! so the tests do, with its arguments, its secret and its map.

mod control_plane;
mod gateway;
mod native;
mod page;
mod proxy;
mod steering;

use libtest_mimic::Trial;

pub(crate) fn trials() -> Vec<Trial> {
    crate::trials!["envoy_gateway";
        gateway::the_breaker_goes_its_whole_round,
        gateway::the_admin_api_wants_its_token,
        gateway::the_admin_listener_is_not_in_the_service,
        gateway::clients_of_an_envoy_gateway_control_nothing,
        gateway::changed_settings_keep_the_state_and_lose_no_request,
        gateway::a_wrong_configuration_holds_the_listeners_up_and_is_seen,
        gateway::through_a_new_pod_with_a_wrong_configuration_requests_pass,
        gateway::without_an_image_requests_pass_and_it_is_seen,
        gateway::two_pods_have_breakers_of_their_own,
        gateway::without_the_registry_a_new_pod_is_guarded,
        native::a_dynamic_module_goes_the_whole_round,
        native::changed_settings_of_a_dynamic_module_keep_the_state_and_lose_no_request,
        native::a_wrong_configuration_of_a_dynamic_module_holds_the_listeners_up_and_is_seen,
        native::through_a_new_pod_whose_dynamic_module_is_wrong_requests_pass,
        native::through_a_pod_that_takes_no_such_file_requests_pass,
        native::a_module_that_is_not_registered_has_all_routes_answer_500,
        page::each_command_on_the_page_does_what_it_says,
    ]
}
