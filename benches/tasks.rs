//! Requests for tasks, and results: what the server machine does from the message to the
//! answer, a hundred times, before a thousand registered clients.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use fedlink::Suite;
use fedlink_benches::counted::{TIMES, Told, hear, polls, results, tasks};

const CLIENTS: usize = 1000;

type Prepare = fn(Suite, usize) -> Told;

const ROWS: [(&str, Prepare); 3] = [
    ("task poll, none there", polls),
    ("task of 1 KiB", tasks),
    ("submit 1 KiB", results),
];

fn work(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tasks");
    group.throughput(Throughput::Elements(TIMES as u64));
    for (row, prepare) in ROWS {
        for suite in [Suite::Bearer, Suite::Sealed] {
            group.bench_function(format!("{row}, {suite}"), |bencher| {
                bencher.iter_batched(|| prepare(suite, CLIENTS), hear, BatchSize::LargeInput);
            });
        }
    }
    group.finish();
}

criterion_group!(benches, work);
criterion_main!(benches);
