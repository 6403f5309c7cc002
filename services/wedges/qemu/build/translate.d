build/translate.o: translate.c insn.h wedge.h ../include/reheat_ring.h \
 qemu_plugin_v1.h
insn.h:
wedge.h:
../include/reheat_ring.h:
qemu_plugin_v1.h:
