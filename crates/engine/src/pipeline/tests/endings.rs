use super::*;
use crate::faults::{Reset, ResetOnData, Timeout};

#[test]
fn a_timeout_closes_after_its_time() {
    let windows = Windows::always().within(100 * MS, Some(10_000 * MS));
    let timeout = Effect::from(Timeout::new(Some(500 * MS), false));
    let mut bench = Bench::new(vec![fault(timeout, windows)]);
    bench.send(200 * MS, 10);
    bench.run_to(2000 * MS);
    assert_eq!((bench.arrivals(), bench.end), (vec![], Some((600 * MS, FlowEnd::CloseNow))));
}

#[test]
fn a_reset_overtakes_what_is_held() {
    let reset = Effect::from(Reset::new(20 * MS, Side::Client));
    let mut bench = Bench::new(vec![always(constant(50)), always(reset)]);
    bench.send(Duration::ZERO, 10);
    bench.run_to(100 * MS);
    assert_eq!((bench.arrivals(), bench.end), (vec![], Some((20 * MS, FlowEnd::ResetNow(Side::Client)))));
}

#[test]
fn a_timeout_that_discards_closes_when_it_goes() {
    let timeout = Effect::from(Timeout::new(None, true));
    let named = |effect| Fault { name: "timeout".to_owned(), ..always(effect) };
    let mut bench = Bench::new(vec![named(timeout)]);
    bench.send(10 * MS, 100);
    bench.run_to(20 * MS);
    assert_eq!(bench.received().len(), 0);
    // Another fault of the same type replaces it, so nothing is closed.
    let longer = Effect::from(Timeout::new(Some(3_600_000 * MS), true));
    bench.pipeline.sync_plan(&plan_of(vec![named(longer)], 30 * MS), 30 * MS);
    bench.run_to(40 * MS);
    assert_eq!(bench.pipeline.output(), Output::Wait);
    bench.pipeline.sync_plan(&plan_of(Vec::new(), 50 * MS), 50 * MS);
    assert_eq!(bench.pipeline.output(), Output::End(FlowEnd::CloseNow));
}

#[test]
fn what_was_discarded_is_never_followed_by_other_bytes() {
    let rare = |fault: &Fault| Fault { probability: 0.0, ..fault.clone() };
    for (effect, ending) in [
        (Effect::from(Timeout::new(None, true)), FlowEnd::CloseNow),
        (Effect::from(ResetOnData { after: 3_600_000 * MS }), FlowEnd::ResetNow(Side::Both)),
    ] {
        let fault = always(effect);
        for then in [Vec::new(), vec![rare(&fault)]] {
            let mut bench = Bench::new(vec![fault.clone()]);
            bench.send(10 * MS, 100);
            bench.run_to(20 * MS);
            bench.pipeline.sync_plan(&plan_of(then.clone(), 30 * MS), 30 * MS);
            bench.send(30 * MS, 100);
            assert_eq!(bench.pipeline.output(), Output::End(ending), "{then:?}");
            assert_eq!(bench.received().len(), 0, "{then:?}");
        }
    }
}

#[test]
fn a_changed_reset_on_data_still_counts_from_the_first_bytes() {
    let reset =
        |ms: u32| Fault { name: "reset".to_owned(), ..always(Effect::from(ResetOnData { after: ms * MS })) };
    let mut bench = Bench::new(vec![reset(3_600_000)]);
    bench.send(500 * MS, 10);
    bench.pipeline.sync_plan(&plan_of(vec![reset(50)], 510 * MS), 510 * MS);
    bench.run_to(549 * MS);
    assert_eq!(bench.pipeline.output(), Output::Wait);
    bench.run_to(550 * MS);
    assert_eq!(bench.pipeline.output(), Output::End(FlowEnd::ResetNow(Side::Both)));
}

#[test]
fn a_reset_on_data_counts_from_the_first_bytes_and_takes_them() {
    let mut bench = Bench::new(vec![always(Effect::from(ResetOnData { after: 50 * MS }))]);
    bench.run_to(500 * MS);
    assert_eq!(bench.pipeline.output(), Output::Wait);
    bench.send(500 * MS, 10);
    bench.run_to(549 * MS);
    assert_eq!((bench.received().len(), bench.pipeline.output()), (0, Output::Wait));
    bench.run_to(550 * MS);
    assert_eq!(bench.pipeline.output(), Output::End(FlowEnd::ResetNow(Side::Both)));
}
