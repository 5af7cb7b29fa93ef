//! `demo`: the main job on embedded defaults, offline, against stand-ins of a warehouse, a payment service and a courier.

mod payments;
mod warehouse;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sagabus_adapters::Trust;
use sagabus_core::{instance::Status, report::Report};
use sagabus_engine::StartRequest;
use serde_json::{Map, Value, json};

use self::payments::{BUSY, DECLINED, Payments};
use crate::{
    commands::{instances, run},
    compose::{self, Node, Recipe},
    exit::{Exit, Refused},
    print,
    progress::Narrator,
    settings::Settings,
    signals::Signals,
};

/// The workflow that is shown.
const ORDER_SAGA: &str = include_str!("../../../workflows/order-saga/workflow.yaml");

/// How its functions are carried out.
const SETTINGS: &str = include_str!("../../../workflows/order-saga/sagabus.toml");

/// The database that the demo leaves.
const DATABASE: &str = "sagabus-demo.db";
/// The warehouse's own database.
const WAREHOUSE: &str = "sagabus-demo-warehouse.db";

/// Nobody waits for a demo that was interrupted.
const GRACE: Duration = Duration::from_secs(1);

/// The largest booking that the courier reads, in bytes.
const LARGEST_BOOKING: u64 = 64 * 1024;

/// An order of the demo.
struct Order {
    number: &'static str,
    card: &'static str,
    happens: &'static str,
    ends: Status,
}

const ORDERS: [Order; 3] = [
    Order { number: "A-1001", card: "tok_visa", happens: "all goes well", ends: Status::Completed },
    Order {
        number: "A-1002",
        card: DECLINED,
        happens: "the card is declined, and the reservation is undone",
        ends: Status::Faulted,
    },
    Order {
        number: "A-1003",
        card: BUSY,
        happens: "the payment service is busy, twice, and asked again",
        ends: Status::Completed,
    },
];

/// Shows it all, then says where to look.
pub(crate) async fn perform() -> Result<Exit, Refused> {
    let mut signals = Signals::listen()?;
    tokio::select! {
        ended = show() => ended,
        () = signals.next() => Ok(Exit::Interrupted),
    }
}

async fn show() -> Result<Exit, Refused> {
    let folder = folder()?;
    let warehouse = folder.join(WAREHOUSE);
    let stocked = warehouse::stock(&warehouse).await;
    stocked.map_err(|error| Refused::unreachable(format!("cannot stock {}: {error}", warehouse.display())))?;
    let payments = Payments::start().await;
    let payments =
        payments.map_err(|error| Refused::unreachable(format!("cannot start the payment service: {error}")))?;
    print::note(&format!(
        "A warehouse (SQL, {WAREHOUSE}), a payment service (http://{}) and a courier (a program) stand ready.\n\
         The workflow order-saga reserves goods, charges the customer and books a courier, or undoes what it did.",
        payments.address
    ));
    let secrets = compose::secrets(None)?;
    let node = Node::start(Recipe {
        database: url(&folder.join(DATABASE)),
        adapters: compose::build(&adapters(&warehouse, &payments)?, &folder, Trust::Author, &secrets)?,
        secrets,
        grace: GRACE,
    })
    .await?;
    let deployed = node.handle.deploy(ORDER_SAGA).await;
    let deployed = deployed.map_err(|error| Refused::unreachable(format!("the demo is broken: {error:?}")))?;
    let mut reports = Vec::new();
    for order in &ORDERS {
        let name = &deployed.name;
        reports.push(carry_out(&node, (&name.namespace, &name.name, &name.version), order).await?);
    }
    node.stop().await;
    tell(&folder, &reports);
    let as_meant = reports.iter().zip(&ORDERS).all(|(report, order)| report.status == order.ends.word());
    Ok(if as_meant { Exit::Done } else { Exit::Faulted })
}

async fn carry_out(node: &Node, name: (&str, &str, &str), order: &Order) -> Result<Report, Refused> {
    print::note(&format!("\nOrder {}: {}", order.number, order.happens));
    let request = StartRequest {
        namespace: name.0.to_owned(),
        name: name.1.to_owned(),
        version: Some(name.2.to_owned()),
        input: json!({
            "order": order.number,
            "sku": "espresso-machine",
            "quantity": 1,
            "amount": 24_900,
            "card": order.card,
            "address": "1 Harbour Street, Zeebrugge",
        }),
        ..StartRequest::default()
    };
    let steps = node.handle.watch();
    let accepted = run::start(&node.handle, request).await?;
    let mut narrator = Narrator::new(accepted.instance, "  ");
    let report = run::watch(&node.handle, &accepted, steps, &mut narrator).await?;
    let error = report.error.as_ref().map(|error| format!(": {}", print::problem(error))).unwrap_or_default();
    print::note(&format!("  => {}{error}", report.status));
    Ok(report)
}

/// The journal of the order that was undone, and how to look further.
fn tell(folder: &Path, reports: &[Report]) {
    let Some((order, report)) = ORDERS.iter().zip(reports).find(|(order, _)| order.card == DECLINED) else { return };
    print::note(&format!("\nThe journal of order {}, which was undone:\n", order.number));
    instances::tell(report);
    let database = folder.join(DATABASE).display().to_string();
    let warehouse = folder.join(WAREHOUSE).display().to_string();
    let id = report.id;
    print::note("\nLook for yourself: everything is in SQL.\n");
    print::data(&format!(
        "sqlite3 -box {database} \"SELECT instance_id, workflow, status, error_title FROM instances\"\n\
         sqlite3 -box {database} \"SELECT reference, kind, status, attempts FROM instance_tasks WHERE instance_id = '{id}'\"\n\
         sqlite3 -box {database} \"SELECT function, adapter, status, attempt, error_title FROM calls\"\n\
         sqlite3 -box {warehouse} \"SELECT * FROM reservations\"\n\
         sagabus instances show {id} --db {}",
        url(Path::new(&database))
    ));
}

/// Where the databases go: here, or into the system's folder for temporary files if nothing can be written here.
fn folder() -> Result<PathBuf, Refused> {
    if tempfile::tempfile_in(".").is_ok() {
        return Ok(PathBuf::new());
    }
    let folder = tempfile::Builder::new().prefix("sagabus-demo-").tempdir().map(tempfile::TempDir::keep);
    folder.map_err(|error| Refused::unreachable(format!("nothing can be written, here or elsewhere: {error}")))
}

fn url(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}

/// The adapters as the workflow's own settings file has them, but with the stand-ins of this process.
fn adapters(warehouse: &Path, payments: &Payments) -> Result<Map<String, Value>, Refused> {
    let settings = toml::from_str::<Settings>(SETTINGS);
    let settings = settings.map_err(|error| Refused::unreachable(format!("the demo is broken: {error}")))?;
    let this = std::env::current_exe();
    let this = this.map_err(|error| Refused::unreachable(format!("cannot find my own program: {error}")))?;
    let mut adapters = Value::Object(settings.adapters);
    adapters["warehouse"]["url"] = json!(url(&std::path::absolute(warehouse).unwrap_or(warehouse.to_owned())));
    adapters["payments"]["base"] = json!(format!("http://{}/payments", payments.address));
    adapters["courier"]["program"] = json!(this);
    adapters["courier"]["arguments"] = json!(["demo-courier"]);
    Ok(adapters.as_object().cloned().unwrap_or_default())
}

/// The courier: reads a booking from stdin, writes the shipment to stdout. Its number follows from the idempotency key, so
/// that a booking that comes again is the same one.
pub(crate) fn courier(function: &str) -> Result<Exit, Refused> {
    let mut booking = String::new();
    let read = std::io::stdin().lock().take(LARGEST_BOOKING).read_to_string(&mut booking);
    read.map_err(|error| Refused::wrong(format!("cannot read the booking: {error}")))?;
    let booking: Value =
        serde_json::from_str(&booking).map_err(|error| Refused::wrong(format!("the booking is no JSON: {error}")))?;
    if function != "book" || !booking["address"].is_string() {
        return Err(Refused::wrong(format!("a courier can `book` with an address, not `{function}` with {booking}")));
    }
    let key = std::env::var("SAGABUS_IDEMPOTENCY_KEY").unwrap_or_default();
    let number = key.get(..8).unwrap_or("00000000").to_uppercase();
    print::json(&json!({ "shipment": format!("SHP-{number}"), "to": booking["address"] }));
    Ok(Exit::Done)
}
