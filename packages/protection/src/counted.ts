/** Bytes on their way through a task, counted as they pass. */

export async function* counted(bytes: AsyncIterable<Uint8Array>, progress: (bytes: number) => void): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    progress(chunk.length);
    yield chunk;
  }
}
