/* Stands in for the driver's libcuda.so.1: torch looks these names up when it first meets a device, and calls none of
   them, for nothing is ever launched. */
#define ANSWERS(name) int name(void) { return 0; }

ANSWERS(cuCtxGetCurrent)
ANSWERS(cuCtxSetCurrent)
ANSWERS(cuDeviceGet)
ANSWERS(cuDeviceGetAttribute)
ANSWERS(cuDevicePrimaryCtxRetain)
ANSWERS(cuFuncGetAttribute)
ANSWERS(cuFuncSetAttribute)
ANSWERS(cuFuncSetCacheConfig)
ANSWERS(cuGetErrorString)
ANSWERS(cuLaunchCooperativeKernel)
ANSWERS(cuLaunchKernel)
ANSWERS(cuLinkAddData_v2)
ANSWERS(cuLinkComplete)
ANSWERS(cuLinkCreate_v2)
ANSWERS(cuModuleGetFunction)
ANSWERS(cuModuleLoad)
ANSWERS(cuModuleLoadData)
ANSWERS(cuModuleLoadDataEx)
ANSWERS(cuModuleUnload)
ANSWERS(cuOccupancyMaxActiveBlocksPerMultiprocessor)
ANSWERS(cuPointerGetAttribute)
ANSWERS(cuTensorMapEncodeTiled)

int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
  *flags = 0;
  *active = 0;
  return 0;
}
