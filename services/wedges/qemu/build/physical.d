build/physical.o: physical.c wedge.h ../include/reheat_ring.h \
 qemu_plugin_v1.h
wedge.h:
../include/reheat_ring.h:
qemu_plugin_v1.h:
