//! Ping-pong over turmoil's TCP, with madsim's latency and without loss.

use std::time::Duration;

use tidelock_sim_peers::{MESSAGE_BYTES, World, message, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use turmoil::net::{TcpListener, TcpStream};

fn main() {
    serve(run);
}

fn run(world: World) {
    let mut simulation = turmoil::Builder::new()
        .rng_seed(world.seed)
        .tick_duration(Duration::from_millis(1))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(10))
        .tcp_capacity(1024)
        .simulation_duration(Duration::from_secs(1_000_000))
        .build();
    simulation.host("server", || async {
        let listener = TcpListener::bind("0.0.0.0:9000").await?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(echo(stream));
        }
    });
    for client in 0..world.clients {
        simulation.client(format!("client{client}"), async move {
            ping(client, world.rounds).await;
            Ok(())
        });
    }
    simulation.run().expect("every client completes");
}

async fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

async fn ping(client: u64, rounds: u64) {
    let mut stream = TcpStream::connect("server:9000").await.expect("the server listens");
    let mut answer = [0; MESSAGE_BYTES];
    for round in 0..rounds {
        let asked = message(client, round);
        stream.write_all(&asked).await.expect("nothing is lost");
        stream.read_exact(&mut answer).await.expect("nothing is lost");
        assert_eq!(answer, asked, "client {client}, round {round}");
    }
}
