//! The recipe's trace on its configuration.

use anyhow::Result;
use tests::Edge;
use tests::recipe::follow;

#[tokio::test]
async fn the_trace_of_the_recipe_is_the_same_row_by_row_with_one_and_with_four_workers()
-> Result<()> {
    // Most of the time goes by between retries: both at once take no longer than one.
    let follow = async |workers| follow(Edge::recipe(workers).await?, workers).await;
    let (one, four) = tokio::join!(follow(1), follow(4));
    one.and(four)
}
