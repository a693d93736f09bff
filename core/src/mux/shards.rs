//! Orders of other Muxes of the runtime.

use super::Mux;
use crate::ServiceId;
use crate::shard::{ShardCommand, ShardOrder};

impl Mux {
    /// The other Muxes of the runtime.
    pub(super) fn others(&self) -> impl Iterator<Item = u32> + use<> {
        let (own, shards) = (self.desk.shard, self.directory.shards());
        (0..shards).filter(move |shard| *shard != own)
    }

    pub(super) fn handle_shard_command(&mut self, command: ShardCommand) {
        assert!(self.directory.shards() > 1, "{command:?} in a runtime of one Mux");
        match command.0 {
            ShardOrder::Know { service } => self.desk.services.insert(service),
            ShardOrder::Drain { service } => {
                if self.desk.is_exiting {
                    self.drain_service(service);
                } else if self.desk.services.is_alive(service) {
                    self.agenda.early_drains.push(service);
                }
            }
            ShardOrder::Info { by, reply_to } => self.begin_info(by, Some(reply_to)),
            ShardOrder::InfoPart { by, from, part } => self.add_info_part(by, from, *part),
            ShardOrder::GiveBack { id } => {
                self.directory.free_reserved(id);
                self.wake_stalled_listeners();
            }
            ShardOrder::Twin { id, order } => self.obey_as_twin(id, order),
            ShardOrder::TwinReport { listener, twin, report } => {
                self.hear_of_twin(listener, twin, report);
            }
        }
    }

    /// A service has handled `Exit`; every Mux shuts its sockets down.
    pub(super) fn drain_everywhere(&mut self, service: ServiceId) {
        for shard in self.others() {
            self.desk.ask_shard(shard, ShardOrder::Drain { service });
        }
        self.drain_service(service);
    }
}
