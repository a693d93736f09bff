//! tokio, on one thread, a task for each connection.

use std::cell::RefCell;
use std::rc::Rc;

use tidelock_mio_peers::{AT, Work, tell, wait_for_end};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::Mutex;
use tokio::task::LocalSet;

fn main() {
    let work = Work::from_arguments();
    let runtime = Builder::new_current_thread().enable_io().build().expect("a runtime");
    std::thread::spawn(|| {
        wait_for_end();
        std::process::exit(0);
    });
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind(AT).await.expect("a port is free");
        tell(listener.local_addr().expect("it is bound"));
        accept(&listener, work).await;
    });
}

type Writers = Rc<RefCell<Vec<Rc<Mutex<OwnedWriteHalf>>>>>;

async fn accept(listener: &TcpListener, work: Work) {
    let writers = Writers::default();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("a stream has the option");
        match work {
            Work::Echo => drop(tokio::task::spawn_local(echo(stream))),
            Work::Broadcast { rounds, bytes } => {
                let (reader, writer) = stream.into_split();
                writers.borrow_mut().push(Rc::new(Mutex::new(writer)));
                let task = broadcast(reader, Rc::clone(&writers), rounds, vec![7; bytes]);
                tokio::task::spawn_local(task);
            }
        }
    }
}

async fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

async fn broadcast(mut reader: OwnedReadHalf, writers: Writers, rounds: usize, message: Vec<u8>) {
    while let Ok(1..) = reader.read(&mut [0; 64]).await {
        let all = writers.borrow().clone();
        for _ in 0..rounds {
            for writer in &all {
                writer.lock().await.write_all(&message).await.expect("all are connected");
            }
        }
    }
}
