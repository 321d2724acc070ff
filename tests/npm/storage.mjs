// What other programs do with the storage account, by the vendor's own clients: put a request on the queue, read the log, artifacts and events of a run.
import { createHash } from "node:crypto";
import { BlobServiceClient } from "@azure/storage-blob";
import { QueueServiceClient } from "@azure/storage-queue";

const [, , verb, ...rest] = process.argv;
const connection = process.env.STORAGE;

async function send(body, encoding) {
  const queue = QueueServiceClient.fromConnectionString(connection).getQueueClient("oz-requests");
  await queue.createIfNotExists();
  const text = encoding === "base64" ? Buffer.from(body).toString("base64") : body;
  const { messageId } = await queue.sendMessage(text);
  console.log(messageId);
}

async function bytesOf(container, name) {
  const blob = container.getBlobClient(name);
  return { bytes: await blob.downloadToBuffer(), properties: await blob.getProperties() };
}

async function read(runId, attempt) {
  const container = BlobServiceClient.fromConnectionString(connection).getContainerClient("ozfunctions");
  const prefix = `data/${runId}/${attempt}/`;
  const log = (await bytesOf(container, `${prefix}log.ndjson`)).bytes;
  const manifest = JSON.parse((await bytesOf(container, `${prefix}artifacts.json`)).bytes.toString("utf8"));
  const artifacts = [];
  for (const artifact of manifest.artifacts) {
    const { bytes, properties } = await bytesOf(container, `${prefix}artifacts/${artifact.path}`);
    artifacts.push({
      path: artifact.path,
      same: createHash("sha256").update(bytes).digest("hex") === artifact.sha256 && bytes.length === artifact.bytes,
      content_type: properties.contentType,
      text: bytes.length < 1000 ? bytes.toString("utf8") : null,
    });
  }

  console.log(JSON.stringify({
    log_sha256: createHash("sha256").update(log).digest("hex"),
    lines: log.toString("utf8").trimEnd().split("\n").map((line) => JSON.parse(line)),
    artifacts,
  }));
}

async function events() {
  const queue = QueueServiceClient.fromConnectionString(connection).getQueueClient("oz-events");
  const found = [];
  for (;;) {
    const { receivedMessageItems } = await queue.receiveMessages({ numberOfMessages: 32, visibilityTimeout: 60 });
    if (receivedMessageItems.length === 0) {
      break;
    }

    found.push(...receivedMessageItems.map((message) => JSON.parse(message.messageText)));
  }

  console.log(JSON.stringify(found));
}

await { send, read, events }[verb](...rest);
