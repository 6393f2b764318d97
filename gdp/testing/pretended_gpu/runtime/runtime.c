/* Stands before torch's own libcudart (LD_PRELOAD): one device that has properties, streams and events, and that never
   does anything. GDP_PRETENDED_CAPABILITY is its compute capability, 90 for 9.0. */
#include <cuda_runtime_api.h>
#include <stdlib.h>
#include <string.h>

static const size_t MEMORY = 80ull << 30;

static int capability(void) {
  const char *given = getenv("GDP_PRETENDED_CAPABILITY");
  return given ? atoi(given) : 90;
}

cudaError_t cudaGetDeviceCount(int *count) { *count = 1; return cudaSuccess; }
cudaError_t cudaGetDevice(int *device) { *device = 0; return cudaSuccess; }
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaGetLastError(void) { return cudaSuccess; }
cudaError_t cudaPeekAtLastError(void) { return cudaSuccess; }
cudaError_t cudaDriverGetVersion(int *version) { *version = CUDART_VERSION; return cudaSuccess; }
cudaError_t cudaDeviceSynchronize(void) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t *available, size_t *total) { *available = *total = MEMORY; return cudaSuccess; }
cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { *least = 0; *greatest = -5; return cudaSuccess; }

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device) {
  memset(properties, 0, sizeof *properties);
  strcpy(properties->name, "pretended GPU");
  properties->major = capability() / 10;
  properties->minor = capability() % 10;
  properties->multiProcessorCount = 132;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->totalGlobalMem = MEMORY;
  properties->sharedMemPerBlock = 48 << 10;
  properties->regsPerBlock = 65536;
  return cudaSuccess;
}

/* Streams and events: each is some memory of its own, and all that was asked of it has happened already. */
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) {
  *stream = malloc(64);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) { free(stream); return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return cudaSuccess; }
cudaError_t cudaStreamQuery(cudaStream_t stream) { return cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) { return cudaSuccess; }
cudaError_t cudaStreamGetPriority(cudaStream_t stream, int *priority) { *priority = 0; return cudaSuccess; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) { *event = malloc(64); return cudaSuccess; }
cudaError_t cudaEventDestroy(cudaEvent_t event) { free(event); return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) { return cudaSuccess; }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end) {
  *milliseconds = 1;
  return cudaSuccess;
}

/* Graphs: what is captured is nothing, and so is what is launched. */
static int captures;

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
  captures = 1;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status) {
  *status = captures ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
#if CUDART_VERSION >= 13000
#define MORE_OF_CAPTURE , cudaGraph_t *graph, const cudaGraphNode_t **nodes, const cudaGraphEdgeData **edges, size_t *count
#else
#define MORE_OF_CAPTURE
#endif
cudaError_t cudaStreamGetCaptureInfo(
    cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id MORE_OF_CAPTURE) {
  if (id) *id = 1;
  return cudaStreamIsCapturing(stream, status);
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  captures = 0;
  *graph = malloc(64);
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) { *count = 1; return cudaSuccess; }
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *launched, cudaGraph_t graph, unsigned long long flags) {
  *launched = malloc(64);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *launched, cudaGraph_t graph, unsigned long long flags) {
  return cudaGraphInstantiate(launched, graph, flags);
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t launched, cudaStream_t stream) { return cudaSuccess; }
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { free(graph); return cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t launched) { free(launched); return cudaSuccess; }
cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *mode) { return cudaSuccess; }

/* Pinned memory is ordinary memory that remembers that it was asked for as pinned. */
#define MOST 4096
static void *pinned[MOST];
static size_t sizes[MOST];

cudaError_t cudaHostAlloc(void **memory, size_t size, unsigned flags) {
  for (int i = 0; i < MOST; i++)
    if (!pinned[i]) {
      if (posix_memalign(memory, 512, size)) return cudaErrorMemoryAllocation;
      pinned[i] = *memory;
      sizes[i] = size;
      return cudaSuccess;
    }
  return cudaErrorMemoryAllocation;
}

cudaError_t cudaFreeHost(void *memory) {
  for (int i = 0; i < MOST; i++)
    if (pinned[i] == memory) pinned[i] = NULL;
  free(memory);
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *memory) {
  memset(attributes, 0, sizeof *attributes);
  attributes->type = cudaMemoryTypeUnregistered;
  for (int i = 0; i < MOST; i++)
    if (pinned[i] && (const char *)memory >= (const char *)pinned[i] &&
        (const char *)memory < (const char *)pinned[i] + sizes[i])
      attributes->type = cudaMemoryTypeHost;
  return cudaSuccess;
}
