//! `demo`.

use crate::support::{Place, json};

#[tokio::test]
async fn the_demo_shows_a_success_a_rollback_and_a_retry_and_can_be_run_again() {
    let place = Place::new();
    for round in 1..=2 {
        let ended = place.sagabus(&["demo"]).await;
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
        for task in ["/book", "/charge", "/release"] {
            assert!(ended.stderr.contains(task), "{task}: {}", ended.stderr);
        }
        assert!(ended.stderr.contains("attempt 3"), "the busy service is asked three times: {}", ended.stderr);
        assert!(ended.stdout.contains("sqlite3"), "{}", ended.stdout);
        let listed = place.sagabus(&["instances", "list", "--db", "sqlite:sagabus-demo.db", "--json"]).await;
        let listed = json(&listed.stdout);
        let count =
            |status: &str| listed.as_array().map(|rows| rows.iter().filter(|row| row["status"] == status).count());
        assert_eq!((count("completed"), count("faulted")), (Some(2 * round), Some(round)), "{listed}");
    }
}
