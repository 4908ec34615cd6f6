# The guest of KvmProbe, which has it as bytes (ProbeGuest.cs). It does what every 64-bit kernel does within its first milliseconds, and then computes for a while. Made with:
#
#   as --32 -o probe.o probe-guest.S && ld -m elf_i386 -Ttext 0x101000 --oformat binary -o probe.bin probe.o && xxd -p -c 32 probe.bin
#
# QEMU enters it as Xen's PVH has it: 32-bit protected mode, paging off.
.code32
.globl _start
_start:
  cld
  movl $0x201003, 0x200000      # page tables: the first 4 MiB, by pages of 2 MiB
  movl $0x202003, 0x201000
  movl $0x83, 0x202000
  movl $0x200083, 0x202008
  movl %cr4, %eax
  orl $0x20, %eax               # PAE
  movl %eax, %cr4
  movl $0x200000, %eax
  movl %eax, %cr3
  movl $0xc0000080, %ecx        # EFER.LME
  rdmsr
  orl $0x100, %eax
  wrmsr
  movl %cr0, %eax
  orl $0x80000001, %eax         # paging
  movl %eax, %cr0
  lgdt gdtr
  ljmp $8, $long
.code64
long:
  xorl %eax, %eax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movq $0x180000, %rsp
  movq $0x300000, %rdi          # interrupt table with one gate: 14, page fault
  leaq handler(%rip), %rax
  movw %ax, 14*16(%rdi)
  movw $8, 14*16+2(%rdi)
  movw $0x8e00, 14*16+4(%rdi)
  shrq $16, %rax
  movw %ax, 14*16+6(%rdi)
  shrq $16, %rax
  movl %eax, 14*16+8(%rdi)
  lidt idtr(%rip)
  movl $0x600000, %esi
  movl (%rsi), %eax             # faults; the handler maps the page, and the read is tried again
  cmpl $0, %eax
  movl $20000000, %ecx          # a few milliseconds of a real processor, half a minute and more of one whose every instruction is emulated
2: decl %ecx
  jnz 2b
  movb $0x2a, %al
  outb %al, $0xf4               # isa-debug-exit: QEMU ends with (0x2a << 1) | 1
1: hlt
  jmp 1b
handler:
  movl $0x600083, 0x202018
  addq $8, %rsp
  iretq
.align 8
gdt: .quad 0
  .quad 0x00af9b000000ffff
gdtr: .word 15
  .long gdt
idtr: .word 0x0fff
  .quad 0x300000
