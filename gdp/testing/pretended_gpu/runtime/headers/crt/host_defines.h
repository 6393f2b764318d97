/* Stands in for the header of the CUDA compiler, which torch does not bring along: all that cuda_runtime_api.h asks of it. */
#define __host__
#define __device__
#define __global__
#define __device_builtin__
#define __cudart_builtin__
#define __builtin_align__(n) __attribute__((aligned(n)))
#define __align__(n) __attribute__((aligned(n)))
#define CUDARTAPI
#define CUDARTAPI_CDECL
#define __CUDA_DEPRECATED
#define __device_builtin_texture_type__
#define __device_builtin_surface_type__
#define __no_return__
#define __noinline__
#define __forceinline__
