/* SPDX-License-Identifier: MIT
 * ACPI name space of the generation 1 board: i440FX host bridge, PIIX3/PIIX4, legacy ISA devices. ACPI 6.4 chapter 5.
 * The processors are not here: machine/acpi_tables.c writes them into an SSDT, since their number is an option. */
DefinitionBlock ("", "DSDT", 2, "PARTIT", "GEN1", 1)
{
    Name (\_S5, Package () { 0, 0, 0, 0 })

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (_BBN, 0)

            Name (_CRS, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0xff, 0, 0x100)
                IO (Decode16, 0x0cf8, 0x0cf8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0x0000, 0x0cf7, 0, 0x0cf8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0x0d00, 0xffff, 0, 0xf300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite, 0, 0x000a0000, 0x000bffff, 0, 0x00020000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite, 0, 0xc0000000, 0xfebfffff, 0, 0x3ec00000)
            })

            /* Slot n, pin p goes to PIRQ (n + p - 1) mod 4: A, B, C, D in turn. */
            Name (_PRT, Package ()
            {
                Package () { 0x0001ffff, 0, LNKA, 0 }, Package () { 0x0001ffff, 1, LNKB, 0 },
                Package () { 0x0001ffff, 2, LNKC, 0 }, Package () { 0x0001ffff, 3, LNKD, 0 },
                Package () { 0x0002ffff, 0, LNKB, 0 }, Package () { 0x0002ffff, 1, LNKC, 0 },
                Package () { 0x0002ffff, 2, LNKD, 0 }, Package () { 0x0002ffff, 3, LNKA, 0 },
                Package () { 0x0003ffff, 0, LNKC, 0 }, Package () { 0x0003ffff, 1, LNKD, 0 },
                Package () { 0x0003ffff, 2, LNKA, 0 }, Package () { 0x0003ffff, 3, LNKB, 0 },
                Package () { 0x0004ffff, 0, LNKD, 0 }, Package () { 0x0004ffff, 1, LNKA, 0 },
                Package () { 0x0004ffff, 2, LNKB, 0 }, Package () { 0x0004ffff, 3, LNKC, 0 },
                Package () { 0x0005ffff, 0, LNKA, 0 }, Package () { 0x0005ffff, 1, LNKB, 0 },
                Package () { 0x0005ffff, 2, LNKC, 0 }, Package () { 0x0005ffff, 3, LNKD, 0 }
            })

            Device (ISA)
            {
                Name (_ADR, 0x00010000)
                OperationRegion (PIRR, PCI_Config, 0x60, 4)
                Field (PIRR, ByteAcc, NoLock, Preserve) { PIRA, 8, PIRB, 8, PIRC, 8, PIRD, 8 }

                Device (KBD)
                {
                    Name (_HID, EisaId ("PNP0303"))
                    Name (_STA, 0x0f)
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x60, 0x60, 1, 1)
                        IO (Decode16, 0x64, 0x64, 1, 1)
                        IRQNoFlags () { 1 }
                    })
                }
                Device (MOU)
                {
                    Name (_HID, EisaId ("PNP0F13"))
                    Name (_STA, 0x0f)
                    Name (_CRS, ResourceTemplate () { IRQNoFlags () { 12 } })
                }
                Device (RTC)
                {
                    Name (_HID, EisaId ("PNP0B00"))
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x70, 0x70, 1, 2)
                        IRQNoFlags () { 8 }
                    })
                }
                Device (COM1)
                {
                    Name (_HID, EisaId ("PNP0501"))
                    Name (_UID, 1)
                    Name (_CRS, ResourceTemplate ()
                    {
                        IO (Decode16, 0x3f8, 0x3f8, 0, 8)
                        IRQNoFlags () { 4 }
                    })
                }
            }
        }

        Method (PSTA, 1) { If (Arg0 & 0x80) { Return (0x09) } Return (0x0b) }
        Method (PCRS, 1, Serialized)
        {
            Name (BUF, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 0 } })
            CreateDWordField (BUF, 5, IRQN)
            If (!(Arg0 & 0x80)) { IRQN = Arg0 & 0x0f }
            Return (BUF)
        }
        Name (PPRS, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveHigh, Shared) { 5, 10, 11 } })

        Device (LNKA)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 1)
            Method (_STA) { Return (PSTA (\_SB.PCI0.ISA.PIRA)) }
            Method (_CRS) { Return (PCRS (\_SB.PCI0.ISA.PIRA)) }
            Method (_PRS) { Return (PPRS) }
            Method (_DIS) { \_SB.PCI0.ISA.PIRA |= 0x80 }
            Method (_SRS, 1) { CreateDWordField (Arg0, 5, IRQ) \_SB.PCI0.ISA.PIRA = IRQ }
        }
        Device (LNKB)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 2)
            Method (_STA) { Return (PSTA (\_SB.PCI0.ISA.PIRB)) }
            Method (_CRS) { Return (PCRS (\_SB.PCI0.ISA.PIRB)) }
            Method (_PRS) { Return (PPRS) }
            Method (_DIS) { \_SB.PCI0.ISA.PIRB |= 0x80 }
            Method (_SRS, 1) { CreateDWordField (Arg0, 5, IRQ) \_SB.PCI0.ISA.PIRB = IRQ }
        }
        Device (LNKC)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 3)
            Method (_STA) { Return (PSTA (\_SB.PCI0.ISA.PIRC)) }
            Method (_CRS) { Return (PCRS (\_SB.PCI0.ISA.PIRC)) }
            Method (_PRS) { Return (PPRS) }
            Method (_DIS) { \_SB.PCI0.ISA.PIRC |= 0x80 }
            Method (_SRS, 1) { CreateDWordField (Arg0, 5, IRQ) \_SB.PCI0.ISA.PIRC = IRQ }
        }
        Device (LNKD)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 4)
            Method (_STA) { Return (PSTA (\_SB.PCI0.ISA.PIRD)) }
            Method (_CRS) { Return (PCRS (\_SB.PCI0.ISA.PIRD)) }
            Method (_PRS) { Return (PPRS) }
            Method (_DIS) { \_SB.PCI0.ISA.PIRD |= 0x80 }
            Method (_SRS, 1) { CreateDWordField (Arg0, 5, IRQ) \_SB.PCI0.ISA.PIRD = IRQ }
        }
    }
}
