//! Ping-pong over madsim's TCP, with its default latency and without loss.

use std::net::SocketAddr;

use madsim::net::{TcpListener, TcpStream};
use madsim::runtime::Runtime;
use tidelock_sim_peers::{MESSAGE_BYTES, World, message, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() {
    serve(run);
}

fn run(world: World) {
    let runtime = Runtime::with_seed_and_config(world.seed, madsim::Config::default());
    let address: SocketAddr = "10.0.0.1:9000".parse().expect("an address");
    let server = runtime.create_node().name("server").ip(address.ip()).build();
    server.spawn(async move {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        while let Ok((stream, _)) = listener.accept().await {
            madsim::task::spawn(echo(stream));
        }
    });
    let mut clients = Vec::new();
    for client in 0..world.clients {
        let ip = std::net::Ipv4Addr::new(10, 0, 1, client as u8 + 1);
        let node = runtime.create_node().name(format!("client{client}")).ip(ip.into()).build();
        clients.push(node.spawn(ping(address, client, world.rounds)));
    }
    runtime.block_on(async move {
        for client in clients {
            client.await.expect("a client completes");
        }
    });
}

async fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        let sent = stream.write_all(&bytes[..count]).await;
        if sent.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

async fn ping(to: SocketAddr, client: u64, rounds: u64) {
    let mut stream = loop {
        // The server may not listen yet.
        if let Ok(stream) = TcpStream::connect(to).await {
            break stream;
        }
        madsim::time::sleep(std::time::Duration::from_millis(1)).await;
    };
    let mut answer = [0; MESSAGE_BYTES];
    for round in 0..rounds {
        let asked = message(client, round);
        stream.write_all(&asked).await.expect("nothing is lost");
        stream.flush().await.expect("nothing is lost");
        stream.read_exact(&mut answer).await.expect("nothing is lost");
        assert_eq!(answer, asked, "client {client}, round {round}");
    }
}
