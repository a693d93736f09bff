//! The building of a world from its stage.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidelock_net::chance::choices::Choices;
use tidelock_net::chance::noise::Noise;
use tidelock_net::system::kernel::{Kernel, Os, Readiness, Room, Settings};
use tidelock_net::words::cast::Cast;
use tidelock_net::words::trouble::{Trouble, TroubleKind};

use super::Machine;
use crate::actors::host::Host;
use crate::actors::peer::Peer;
use crate::actors::shared::Shared;
use crate::stage::options::Options;
use crate::stage::{HostPlan, Stage, Wire};

/// The network, with its hosts and links.
pub(crate) fn kernel<C: Choices>(stage: &Stage<'_>, choices: C, room: Room) -> Kernel<C> {
    let options = stage.options();
    let settings = Settings {
        send_buffer_bytes: options.send_buffer_bytes,
        receive_buffer_bytes: options.receive_buffer_bytes,
        batch_max: options.batch_max as usize,
        delay_nanos_max: options.delay_nanos_max as u32,
        os: Os::of_number(options.os),
    };
    let mut kernel = Kernel::within(room, choices, Noise::new(options.noise), settings);
    for host in &stage.hosts {
        let readiness = match (wire_of(options, host), options.readiness) {
            (Some(_), _) | (None, 0) => Readiness::Linux,
            (None, 1) => Readiness::Weakest,
            (None, 3) => Readiness::Kqueue,
            (None, _) => Readiness::Completion,
        };
        kernel.add_host(host.name, readiness);
    }
    kernel.set_links(options.link());
    for (from, to, link) in &stage.links {
        *kernel.link_mut(*from, *to) = *link;
    }
    kernel
}

/// Returns the machine that stands in a host's place: a Mux with its services, or a scripted peer.
pub(crate) fn machine<C: Choices>(
    number: u16,
    plan: &HostPlan,
    cast: &Arc<Cast>,
    options: &Options,
    shared: &mut Shared<C>,
) -> Machine {
    let behaviour = match wire_of(options, plan) {
        None => return Machine::Host(host(number, plan, cast, options)),
        Some(Wire::Asks) => None,
        Some(Wire::Serves(behaviour)) => Some(behaviour),
    };
    Machine::Peer(Peer::new(number, Arc::clone(cast), behaviour, options, shared))
}

/// Returns the machines that begin in a host's place after each crash, by the place of the crash in
/// the plan.
pub(crate) fn spares(
    stage: &Stage<'_>,
    troubles: &[Trouble],
    cast: &Arc<Cast>,
) -> BTreeMap<u32, Box<Host>> {
    let options = stage.options();
    let mut spares = BTreeMap::new();
    for (index, trouble) in (0..).zip(troubles) {
        if let TroubleKind::Crash { host: number } = trouble.kind
            && let Some(plan) = stage.hosts.get(number as usize)
            && wire_of(options, plan).is_none()
        {
            spares.insert(index, host(number, plan, cast, options));
        }
    }
    spares
}

fn host(number: u16, plan: &HostPlan, cast: &Arc<Cast>, options: &Options) -> Box<Host> {
    let services = plan.services.iter().map(|make| make());
    Box::new(Host::new(number, cast, options, services))
}

/// The scripted peer that stands in a host's place, if one does in this world.
fn wire_of(options: &Options, host: &HostPlan) -> Option<Wire> {
    host.wire.filter(|wire| match wire {
        Wire::Asks => options.scripted == 1,
        Wire::Serves(_) => options.scripted == 2,
    })
}
